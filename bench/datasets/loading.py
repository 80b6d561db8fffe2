"""Load the samples of a data set: draw points, or decode images once and cache the array."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.datasets.array_cache import CachedArray, hash_of
from bench.datasets.arrays import DataArray, KnownModes
from bench.datasets.crops import Crop, parse_crop
from bench.datasets.decoding import decoded
from bench.datasets.fingerprints import source_hash
from bench.datasets.held_out import HELD_OUT, Part, part_of_images, part_of_points, require_share
from bench.datasets.image_files import UnusableImage
from bench.datasets.labels import Labels, read_labels
from bench.datasets.pictures import Transform, unusable_error
from bench.datasets.registry import ImageDataset, Notify, PointDataset, find
from bench.system.errors import RequestError, WorkError

# up to so many images are decoded to name all that cannot be used, where headers have shown some already
MOST_DECODED_TO_NAME_ALL = 2000


def _silent(_: str) -> None:
    """Report nothing."""


def load(
    name: str,
    *,
    image_size: int | None,
    channels: int | None,
    data_root: Path,
    cache: Path,
    crop: str | None = None,
    held_out: float = 0.0,
    notify: Notify = _silent,
) -> DataArray:
    """Return all training samples of a data set; images have one size and are cached.

    If several processes load the same images at once, one process decodes them and the others wait.

    Parameters
    ----------
    name : str
        A registered name, or ``folder:PATH``.
    image_size : int or None
        Side in pixels, at least 1; None for points.
    channels : {1, 3} or None
        Grey, RGB, or the data set's default; None for points.
    data_root : Path
        Folder of the published data sets, to which torchvision downloads missing data sets if it can.
    cache : Path
        Folder for decoded images; created if absent.
    crop : str, optional
        Square that is cut out of every image in place of the data set's own crop, ``centre:N`` or
        ``box:x,y,w,h`` in pixels (:mod:`bench.datasets.crops`).
    held_out : float
        Share of the samples that is left out, 0 to 0.5: those of :func:`load_held_out`.
    notify : callable
        Reports slow work, a line per call.

    Returns
    -------
    DataArray
        Images are uint8 of shape (count, channels, image_size, image_size); points are float32 of shape
        (count, 2) and have known modes. Labels are given where the data set has classes.

    Raises
    ------
    RequestError
        If the name, the size, the number of channels, the crop or the share is not allowed, or the share
        leaves none.
    WorkError
        If files are missing or damaged, or the cache cannot be written.
    """
    require_share(held_out)
    loader = _Loader(name, image_size, channels, parse_crop(crop), data_root, cache, notify)
    return loader.part(held_out, "train") if held_out else loader.all_samples()


def load_held_out(
    name: str,
    *,
    image_size: int | None,
    channels: int | None,
    data_root: Path,
    cache: Path,
    crop: str | None = None,
    held_out: float = 0.0,
    notify: Notify = _silent,
) -> DataArray | None:
    """Return real samples of a data set that are not among those of :func:`load`, or None without any.

    They serve to measure what training samples cannot tell, such as memorisation. Nothing of them is read
    before they are asked for, nothing is downloaded for them, and they are cached as training samples are.

    Parameters
    ----------
    name, image_size, channels, data_root, cache, crop, notify
        As for :func:`load`.
    held_out : float
        As for :func:`load`, which must have got the same share. Above 0 the result is that share of the
        samples, chosen by their content (:mod:`bench.datasets.held_out`), for every data set. With 0 the
        result is the published test split of data sets that have one (MNIST, Fashion-MNIST, CIFAR-10,
        CelebA), if all its files are there.

    Returns
    -------
    DataArray or None
        As of :func:`load`: the same shape, dtype, order of colours, transform and classes, with the hash of
        these samples. Its `split` is ``"test"`` for a published split and ``"held-out"`` for a share. None
        for a share of 0 where no test split is published, or its files are missing.

    Raises
    ------
    RequestError
        As :func:`load`; also if the share is so small that no sample is held out.
    WorkError
        If files are damaged, or the cache cannot be written.
    """
    require_share(held_out)
    loader = _Loader(name, image_size, channels, parse_crop(crop), data_root, cache, notify)
    return loader.part(held_out, HELD_OUT) if held_out else loader.published_test()


@dataclass(frozen=True)
class _Loader:
    """Loads samples of a data set; the fields are parameters of `load`."""

    name: str
    image_size: int | None
    channels: int | None
    crop: Crop | None
    data_root: Path
    cache: Path
    notify: Notify

    def all_samples(self) -> DataArray:
        """Return the samples of the data set, or of its published training split."""
        dataset = find(self.name)
        shape = dataset.sample_shape(self.image_size, self.channels)
        if isinstance(dataset, PointDataset):
            if self.crop is not None:
                raise RequestError(f"dataset {self.name} holds points: crop {self.crop.text} must be none")
            return _draw(dataset)
        assert isinstance(dataset, ImageDataset)
        _ensure_present(dataset, self.data_root, self.cache, self.notify)
        return self._read_images(dataset, shape)

    def published_test(self) -> DataArray | None:
        """Return the published test split, or None if there is none or its files are missing."""
        dataset = find(self.name)
        shape = dataset.sample_shape(self.image_size, self.channels)
        test = dataset.published_test() if isinstance(dataset, ImageDataset) else None
        if test is None or test.missing(self.data_root):
            return None
        return replace(self._read_images(test, shape), split="test")

    def part(self, share: float, part: Part) -> DataArray:
        """Return the training samples without a held-out share, or that share."""
        whole = self.all_samples()
        if whole.modes is not None:
            return part_of_points(whole, share, part)
        folder = self.cache / "images"
        try:
            return part_of_images(whole, share, part, folder)
        except OSError as error:
            raise _unusable_cache(folder, error) from error

    def _read_images(self, dataset: ImageDataset, shape: tuple[int, ...]) -> DataArray:
        transform = Transform(dataset, shape[1], shape[0], self.crop)
        if known := dataset.unusable(self.data_root):
            found = known + _shown_by_headers(transform, self.data_root, self.notify)
            raise _error_of(transform, self.data_root, self.notify, found)
        images = _Images(
            transform=transform,
            data_root=self.data_root,
            source=source_hash(
                dataset.files(self.data_root), _sources(dataset, self.data_root, self.cache, ".json")
            ),
            folder=self.cache / "images",
            notify=self.notify,
        )
        try:
            samples, digest = images.cached.read_or_create(images.create)
            array = DataArray(self.name, samples, digest, transform.description)
            if not dataset.class_names():
                return array
            files = dataset.label_files(self.data_root)
            about = _sources(dataset, self.data_root, self.cache, ".labels.json")
            source = images.source + (source_hash(files, about) if files else "")
            return _labelled(array, read_labels(dataset, self.data_root, images.folder, source, array.count))
        except OSError as error:
            raise _unusable_cache(images.folder, error) from error


def _unusable_cache(folder: Path, error: OSError) -> WorkError:
    return WorkError(f"the cache in {folder} cannot be used: {error}")


@dataclass(frozen=True)
class _Images:
    """The images of a data set at one size, decoded into an array of the cache.

    Attributes
    ----------
    transform : Transform
        From the images of the data set to the array.
    data_root : Path
        Folder of the published data sets.
    source : str
        Hash of the source files.
    folder : Path
        Folder of the array's files.
    notify : callable
        Reports progress, a line per call.
    """

    transform: Transform
    data_root: Path
    source: str
    folder: Path
    notify: Notify

    @property
    def cached(self) -> CachedArray:
        size, channels = self.transform.image_size, self.transform.channels
        parts = [self.source, self.transform.description, size, channels]
        return CachedArray(self.folder, hashlib.sha256(json.dumps(parts).encode()).hexdigest())

    def create(self) -> None:
        """Decode the images and write their array; read the headers of all first where that is quicker."""
        dataset = self.transform.dataset
        if dataset.scans_headers:
            found = _shown_by_headers(self.transform, self.data_root, self.notify)
            if found:
                raise _error_of(self.transform, self.data_root, self.notify, found)
        pictures = dataset.images(self.data_root)
        if pictures.count < 1:
            raise WorkError(f"dataset {dataset.name} has no images in {self.data_root}")
        size, channels = self.transform.image_size, self.transform.channels
        shape = (pictures.count, channels, size, size)

        def blocks() -> Iterator[np.ndarray]:
            self._announce(shape)
            unusable: list[UnusableImage] = []
            for pixels, failed in decoded(pictures, self.transform.to_array, dataset.name, self.notify):
                unusable += failed
                yield pixels
            if unusable:
                raise unusable_error(dataset.name, unusable, pictures.count)

        self.cached.write(
            blocks(),
            name=dataset.name,
            source=self.source,
            transform=self.transform.description,
            shape=shape,
        )

    def _announce(self, shape: tuple[int, ...]) -> None:
        """Report what is decoded, and which files are not read."""
        dataset, extent = self.transform.dataset, "x".join(map(str, shape[1:]))
        reason = "again, since the cached images are damaged" if self.cached.is_described else "once"
        self.notify(f"{dataset.name}: decoding {shape[0]} images to {extent} {reason}")
        if unread := dataset.unread_files(self.data_root):
            self.notify(f"{dataset.name}: {unread}")


def _shown_by_headers(transform: Transform, data_root: Path, notify: Notify) -> list[UnusableImage]:
    """Return the images that their headers show to be unusable."""
    dataset = transform.dataset
    headers = decoded(dataset.images(data_root), transform.read_headers, dataset.name, notify, "looked at")
    return [image for _, failed in headers for image in failed]


def _error_of(transform: Transform, data_root: Path, notify: Notify, found: list[UnusableImage]) -> WorkError:
    """Return the error that names unusable images: those found, and where there are few images all others."""
    dataset = transform.dataset
    known, pictures = dataset.unusable(data_root), dataset.images(data_root)
    count = pictures.count + len(known)
    if count <= MOST_DECODED_TO_NAME_ALL:
        pixels = decoded(pictures, transform.to_array, dataset.name, notify)
        found = known + [image for _, failed in pixels for image in failed]
    return unusable_error(dataset.name, sorted(found, key=lambda image: image.name), count)


def _labelled(array: DataArray, labels: Labels) -> DataArray:
    return replace(array, labels=labels.values, class_names=labels.class_names, labels_hash=labels.hash)


def _draw(dataset: PointDataset) -> DataArray:
    """Draw points, which is faster than reading them from a cache."""
    points = dataset.points()
    points.flags.writeable = False
    modes = KnownModes(dataset.centres(), dataset.deviation)
    array = DataArray(dataset.name, points, hash_of(points), dataset.transform, modes)
    names = dataset.class_names()
    return _labelled(array, Labels.of(dataset.labels(), names)) if names else array


def _sources(dataset: ImageDataset, data_root: Path, cache: Path, suffix: str) -> Path:
    """Return the path of a cache file about the source files of a data set in `data_root`."""
    location = f"{dataset.name}\0{os.path.realpath(data_root)}"
    key = hashlib.sha256(location.encode(errors="surrogateescape")).hexdigest()[:16]
    return cache / "sources" / f"{key}{suffix}"


def _ensure_present(dataset: ImageDataset, data_root: Path, cache: Path, notify: Notify) -> None:
    """Download missing files, one process at a time."""
    from filelock import FileLock

    if not dataset.missing(data_root):
        return
    lock = _sources(dataset, data_root, cache, ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            if dataset.missing(data_root):
                dataset.fetch(data_root, notify)
    except OSError as error:
        raise WorkError(f"the cache in {lock.parent} cannot be used: {error}") from error
