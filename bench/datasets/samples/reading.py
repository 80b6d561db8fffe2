"""Read samples from a folder of images, an .npz or an .npy file, or take them from an array."""

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.datasets.arrays import ArrayHash
from bench.datasets.decoding import MAX_THREADS, decoded
from bench.datasets.folder import Folder
from bench.datasets.image_files import ImageError, UnusableImage
from bench.datasets.pictures import Transform, unusable_error
from bench.datasets.registry import Notify, Picture, Pictures
from bench.datasets.samples.class_folders import class_numbers
from bench.datasets.samples.form import Form, blocks, resized, square_side, stored
from bench.datasets.samples.origin import ARRAY, FILE, SampleOrigin, origin_in
from bench.datasets.zip_files import is_zip_file
from bench.system.errors import RequestError, WorkError, printable, shown

# names of the array of samples in an .npz file, the first that is there; else a file with one array is read
SAMPLES = ("samples", "images", "arr_0")
LABELS = ("labels", "label")
# a second array without a name holds labels in files of ADM's evaluation
UNNAMED_LABELS = ("arr_0", "arr_1")
SUFFIXES = (".npz", ".npy")
GREY_MODES = ("1", "L", "I;16")  # beginnings of PIL's names


@dataclass(frozen=True)
class SampleSet:
    """Samples that somebody made.

    Attributes
    ----------
    name : str
        Path as typed, or what an array is called in messages.
    samples : ndarray
        Images uint8 (N, C, S, S) or points float32 (N, 2), in their own order.
    hash : str
        SHA-256 of shape and samples in hexadecimal digits, as of a data set's.
    labels : ndarray or None
        Class of each sample, int64 (N,), from 0.
    label_names : tuple of str
        Names of the classes by number, where the source has them: names of subfolders, or those of the run.
    origin : SampleOrigin or None
        Where the samples come from, if `bench sample` wrote them.
    conversion : str
        How size or channels were changed; empty if they were not.
    notes : tuple of str
        What else is worth knowing of the samples, a line each.
    """

    name: str
    samples: np.ndarray
    hash: str
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    origin: SampleOrigin | None = None
    conversion: str = ""
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.samples)

    def labels_among(self, class_names: Sequence[str]) -> np.ndarray | None:
        """Return the labels by the numbers of the classes of a data set, int64 (N,).

        Parameters
        ----------
        class_names : sequence of str
            Names of the data set's classes, by number.

        Returns
        -------
        ndarray or None
            None for samples without labels, and for labels none of whose names is that of a class.

        Raises
        ------
        RequestError
            If a label is no class of the data set.
        """
        if self.labels is None or not class_names:
            return None
        known = len(self.label_names or class_names)
        strange = self.labels[self.labels >= known]
        if strange.size:
            raise RequestError(
                f"samples {printable(self.name)}: label {strange[0]} is no class: "
                f"allowed are 0 to {known - 1}"
            )
        if not self.label_names:
            return self.labels
        numbers = class_numbers(self.label_names, class_names)
        return None if numbers is None else np.array(numbers, dtype=np.int64)[self.labels]


def read_samples(path: str | Path, form: Form, notify: Notify = lambda _: None) -> SampleSet:
    """Read the samples in a folder of images, an .npz or an .npy file.

    Parameters
    ----------
    path : str or Path
        A folder, or a zip file of one: all images below it, in the order of their file names; subfolders may
        be classes. An .npz file: the array ``samples``, ``images`` or ``arr_0``, or the only one; its labels
        may be ``labels``, ``label`` or, after ``arr_0``, ``arr_1``. An .npy file: the array; it is mapped,
        and read piece by piece.
    form : Form
        What is stated of the samples.
    notify : callable
        Reports slow work, a line per call.

    Raises
    ------
    RequestError
        If there is no such file or folder, or it cannot be read as samples. Nothing is unpickled.
    """
    name, place = str(path), Path(os.path.expanduser(path))
    if place.is_dir():
        return _read_folder(place, name, form, notify)
    if not place.is_file():
        raise RequestError(f"samples {shown(name)}: there is no such folder or file")
    if is_zip_file(str(place)):
        return _read_folder(place, name, form, notify)
    if place.suffix.lower() not in SUFFIXES:
        raise RequestError(
            f"samples {shown(name)}: allowed are a folder of images or a zip file of them, and files "
            f"{' and '.join(SUFFIXES)}"
        )
    with _one_line(name):
        if place.suffix.lower() == ".npy":
            array = np.load(place, mmap_mode="r", allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ValueError("it is no .npy file")
            return sample_set(array, form, name)
        return _read_npz(place, name, form)


def sample_set(
    array: np.ndarray,
    form: Form,
    name: str,
    labels: np.ndarray | None = None,
    origin: SampleOrigin | None = None,
) -> SampleSet:
    """Return the samples of an array with their hash; parameters and errors as of :func:`stored`.

    Parameters
    ----------
    array, form, name
        As of :func:`bench.datasets.samples.form.stored`.
    labels : ndarray, optional
        Class of each sample, whole numbers (N,) from 0.
    origin : SampleOrigin, optional
        Where the samples come from.
    """
    found = stored(array, form, name)
    return SampleSet(
        name,
        found.values,
        _hash(found.values),
        None if labels is None else _checked(labels, len(found.values), name),
        origin.classes if origin else (),
        origin,
        found.conversion,
        found.notes,
    )


def _hash(samples: np.ndarray) -> str:
    digest = ArrayHash(samples.shape)
    for block in blocks(samples):
        digest.update(block)
    return digest.hexdigest()


def _checked(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    """Return labels as int64 (N,)."""
    what = f"samples {printable(name)}: labels {labels.dtype} of shape {labels.shape}"
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape not in ((count,), (count, 1)):
        raise RequestError(f"{what}: needed is a whole number for each of {count:,} samples")
    if labels.size and labels.min() < 0:
        raise RequestError(f"{what}: {labels.min()} is no class")
    return labels.reshape(count).astype(np.int64)


@contextmanager
def _one_line(name: str) -> Iterator[None]:
    """Turn what a damaged or foreign file makes numpy raise into a refusal."""
    try:
        yield
    except MemoryError:
        raise RequestError(
            f"samples {shown(name)}: too large for the memory; an .npy file is read piece by piece"
        ) from None
    except (OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError) as error:
        pickled = any(word in str(error) for word in ("allow_pickle", "pickled", "Python objects"))
        reason = "it holds Python objects, which are never loaded" if pickled else _reason(error)
        raise RequestError(f"samples {shown(name)} cannot be read: {reason}") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise RequestError(f"samples {shown(name)} cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(str(error))[:200] or type(error).__name__


def _read_npz(path: Path, name: str, form: Form) -> SampleSet:
    loaded = np.load(path, allow_pickle=False)
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise ValueError("it is no .npz file")
    with loaded as file:
        names = file.files
        key = next((key for key in SAMPLES if key in names), names[0] if len(names) == 1 else "")
        if not key:
            raise RequestError(
                f"samples {shown(name)}: the file has {_listed(names)}; the samples must be called "
                f"{', '.join(SAMPLES[:-1])} or {SAMPLES[-1]}"
            )
        array = _member(file, key)
        labelled = next((key for key in LABELS if key in names), None)
        if labelled is None and key == UNNAMED_LABELS[0] and UNNAMED_LABELS[1] in names:
            labelled = UNNAMED_LABELS[1]
        labels = None if labelled is None else _member(file, labelled)
        origin = None
        if ARRAY in names and (text := _member(file, ARRAY)).dtype.kind == "U" and text.ndim == 0:
            origin = origin_in(str(text))
    return sample_set(array, form, name, labels, origin)


def _member(file: "np.lib.npyio.NpzFile", key: str) -> np.ndarray:
    array = file[key]
    # numpy gives the bytes of a member that is no array
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{printable(key)} is no array")
    return array


def _listed(names: Sequence[str]) -> str:
    shown_names = ", ".join(map(printable, names[:5])) + (", ..." if len(names) > 5 else "")
    return f"the arrays {shown_names}" if names else "no array"


class _Header(NamedTuple):
    """What the head of an image file says: PIL's (width, height) and mode."""

    size: tuple[int, int]
    mode: str


def _read_folder(path: Path, name: str, form: Form, notify: Notify) -> SampleSet:
    folder = Folder(path)
    try:
        listing = folder.listing
    except WorkError as error:  # a damaged zip file
        raise RequestError(f"samples {shown(name)} cannot be read: {error}") from None
    if not listing.images and not listing.unusable:
        raise RequestError(f"samples {shown(name)}: no image below it; allowed are {SUFFIXES_OF_IMAGES}")
    # by file name first: files that were numbered throughout keep their order across subfolders of classes
    paths = list(listing.images)
    order = sorted(range(len(paths)), key=lambda place: (paths[place].rpartition("/")[2], paths[place]))
    files = [Picture(printable(paths[place]), listing.images[paths[place]]) for place in order]
    heads = _heads(files, listing.unusable, name)
    shapes = {head.size for head in heads}
    if len(shapes) > 1 and form.image_size is None:
        some = " and ".join(f"{width}x{height}" for width, height in sorted(shapes)[:2])
        raise RequestError(
            f"samples {shown(name)}: images of {len(shapes):,} sizes, such as {some}: an image size N cuts "
            "out their centre squares and resizes them to N x N"
        )
    width, height = min(shapes)
    side = square_side(height, width, form, name)
    grey = all(head.mode.startswith(GREY_MODES) and head.mode != "LAB" for head in heads)
    channels = form.channels or (1 if grey else 3)
    samples = _decoded(files, folder, side, channels, name, notify)
    origin = _origin_of(path)
    classes = folder.class_names()
    labels = folder.labels(Path())[order].astype(np.int64) if classes else None
    sizes = (height, width) if len(shapes) == 1 else (0, 0)
    conversion = resized(sizes, 1 if grey else 3, side, channels)
    if len(shapes) > 1:
        conversion = conversion.replace("0x0", f"{len(shapes):,} sizes")
    return SampleSet(name, samples, _hash(samples), labels, classes, origin, conversion)


SUFFIXES_OF_IMAGES = "BMP, GIF, JPEG, PNG, PPM, TIFF and WebP files"


def _unusable(name: str, unusable: Sequence[UnusableImage], count: int) -> RequestError:
    return RequestError(str(unusable_error(name, unusable, count, what="samples")))


def _heads(files: Sequence[Picture], unusable: Sequence[UnusableImage], name: str) -> list[_Header]:
    """Read the heads of image files, without decoding any; refuse all that cannot be used, known or found."""

    def read(file: Picture) -> _Header | UnusableImage:
        try:
            with file.open() as image:
                return _Header(image.size, image.mode)
        except ImageError as error:
            return UnusableImage(file.name, str(error))

    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        found = list(pool.map(read, files))
    failed = [*unusable, *(each for each in found if isinstance(each, UnusableImage))]
    if failed:
        raise _unusable(name, failed, len(found) + len(unusable))
    return [each for each in found if isinstance(each, _Header)]


def _decoded(
    files: Sequence[Picture], folder: Folder, side: int, channels: int, name: str, notify: Notify
) -> np.ndarray:
    decode = Transform(folder, side, channels).to_array
    with _one_line(name):
        samples = np.empty((len(files), channels, side, side), dtype=np.uint8)
    done, unusable = 0, []
    for pixels, failed in decoded(Pictures(len(files), iter(files)), decode, name, notify):
        samples[done : done + len(pixels)] = pixels
        done += len(pixels)
        unusable += failed
    if unusable:
        raise _unusable(name, unusable, len(files))
    return samples


def _origin_of(folder: Path) -> SampleOrigin | None:
    """Return the origin that `bench sample` wrote into a folder."""
    try:
        return origin_in((folder / FILE).read_bytes())
    except OSError:
        return None
