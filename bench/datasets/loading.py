"""Load the samples of a data set: draw points, or decode images once and cache the array."""

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from bench.datasets.arrays import IN_MEMORY_BYTES, ArrayHash, DataArray, KnownModes
from bench.datasets.cache_entry import CacheEntry, read_entry
from bench.datasets.fingerprints import source_hash
from bench.datasets.image_files import UnusableImage
from bench.datasets.labels import Labels, read_labels
from bench.datasets.pictures import describe_transform, to_array, unusable_error
from bench.datasets.registry import ImageDataset, Notify, Picture, Pictures, PointDataset, find
from bench.system.atomic_files import atomic_write, write_text
from bench.system.errors import WorkError
from bench.system.leftovers import remove_leftovers

IMAGES_PER_TASK = 16
MAX_THREADS = 8
SECONDS_BETWEEN_MESSAGES = 15.0


def _silent(_: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class _CachedArray:
    """An array of decoded images and its files in the cache.

    Attributes
    ----------
    dataset : ImageDataset
        Data set of the images.
    data_root : Path
        Folder of the published data sets.
    image_size, channels : int
        Side in pixels and number of channels of the array.
    source : str
        Hash of the source files.
    folder : Path
        Folder of the array's files.
    notify : callable
        Reports progress, a line per call.
    """

    dataset: ImageDataset
    data_root: Path
    image_size: int
    channels: int
    source: str
    folder: Path
    notify: Notify

    @property
    def transform(self) -> str:
        return describe_transform(self.dataset, self.image_size, self.channels)

    @property
    def key(self) -> str:
        parts = [self.source, self.transform, self.image_size, self.channels]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def decode(self, pictures: list[Picture]) -> tuple[np.ndarray, list[UnusableImage]]:
        return to_array(pictures, self.dataset, self.image_size, self.channels)

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.key}{suffix}"


def load(
    name: str,
    *,
    image_size: int | None,
    channels: int | None,
    data_root: Path,
    cache: Path,
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
        If the name, the size or the number of channels is not allowed.
    WorkError
        If files are missing or damaged, or the cache cannot be written.
    """
    dataset = find(name)
    shape = dataset.sample_shape(image_size, channels)
    if isinstance(dataset, PointDataset):
        return _draw(dataset)
    assert isinstance(dataset, ImageDataset)
    _ensure_present(dataset, data_root, cache, notify)
    _refuse_unusable(dataset, data_root, shape, notify)
    array = _CachedArray(
        dataset=dataset,
        data_root=data_root,
        image_size=shape[1],
        channels=shape[0],
        source=source_hash(dataset.files(data_root), _sources(dataset, data_root, cache, ".json")),
        folder=cache / "images",
        notify=notify,
    )
    try:
        images = _read(array, name) or _create_once(array, name)
        if not dataset.class_names():
            return images
        files = dataset.label_files(data_root)
        source = source_hash(files, _sources(dataset, data_root, cache, ".labels.json")) if files else ""
        labels = read_labels(dataset, data_root, array.folder, array.source + source, images.count)
    except OSError as error:
        raise WorkError(f"the cache in {array.folder} cannot be used: {error}") from error
    return _labelled(images, labels)


def _labelled(array: DataArray, labels: Labels) -> DataArray:
    return replace(array, labels=labels.values, class_names=labels.class_names, labels_hash=labels.hash)


def _draw(dataset: PointDataset) -> DataArray:
    """Draw points, which is faster than reading them from a cache."""
    points = dataset.points()
    points.flags.writeable = False
    modes = KnownModes(dataset.centres(), dataset.deviation)
    array = DataArray(dataset.name, points, _hash(points), dataset.transform, modes)
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


def _read(array: _CachedArray, name: str) -> DataArray | None:
    """Return the cached images, or None if they are absent or damaged."""
    entry = read_entry(array.path(".json"))
    if entry is None:
        return None
    try:
        images: np.ndarray = np.load(array.path(".npy"), mmap_mode="r")
    except (FileNotFoundError, ValueError, EOFError):
        return None
    if images.shape != entry.shape or images.dtype != np.uint8:
        return None
    if images.nbytes < IN_MEMORY_BYTES:
        images = np.array(images)
        images.flags.writeable = False
        # only for small arrays, since hashing a large one would delay every start
        if _hash(images) != entry.hash:
            return None
    return DataArray(name=name, samples=images, hash=entry.hash, transform=array.transform)


def _hash(samples: np.ndarray) -> str:
    digest = ArrayHash(samples.shape)
    digest.update(samples)
    return digest.hexdigest()


def _create_once(array: _CachedArray, name: str) -> DataArray:
    """Decode the images unless another process has done so meanwhile, and return them."""
    from filelock import FileLock

    array.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(array.path(".lock")):
        samples = _read(array, name)
        if samples is None:
            _create(array)
            samples = _read(array, name)
    if samples is None:
        raise WorkError(f"{array.path('.npy')} was changed while it was written")
    return samples


def _create(array: _CachedArray) -> None:
    """Write the array to a temporary file, rename the file, then write the description."""
    pictures = array.dataset.images(array.data_root)
    if pictures.count < 1:
        raise WorkError(f"dataset {array.dataset.name} has no images in {array.data_root}")
    # leftovers of killed processes take disk space
    remove_leftovers(array.folder, depth=0)
    shape = (pictures.count, array.channels, array.image_size, array.image_size)
    size = int(np.prod(shape, dtype=np.int64))
    free = shutil.disk_usage(array.folder).free
    if size > free:
        raise WorkError(f"{array.folder} has {free / 2**30:.1f} GiB free but needs {size / 2**30:.1f}")
    extent = "x".join(map(str, shape[1:]))
    reason = "again, since the cached images are damaged" if array.path(".json").exists() else "once"
    array.notify(f"{array.dataset.name}: decoding {pictures.count} images to {extent} {reason}")
    if unread := array.dataset.unread_files(array.data_root):
        array.notify(f"{array.dataset.name}: {unread}")
    with atomic_write(array.path(".npy")) as temporary:
        digest = _decode(array, pictures, shape, temporary)
    entry = CacheEntry(
        name=array.dataset.name, source=array.source, transform=array.transform, shape=shape, hash=digest
    )
    write_text(array.path(".json"), entry.model_dump_json(indent=1))


def _decode(array: _CachedArray, pictures: Pictures, shape: tuple[int, ...], path: Path) -> str:
    """Write the array in blocks and return the hash of the pixels."""
    samples = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    digest = ArrayHash(shape)
    name, done = array.dataset.name, 0
    unusable: list[UnusableImage] = []
    for pixels, failed in _decoded(pictures, array.decode, name, array.notify):
        if done + len(pixels) > len(samples):
            raise WorkError(f"dataset {name} has more than the {len(samples)} images it declares")
        samples[done : done + len(pixels)] = pixels
        digest.update(pixels)
        done += len(pixels)
        unusable += failed
    if unusable:
        raise unusable_error(name, unusable, len(samples))
    if done != len(samples):
        raise WorkError(f"dataset {name} declares {len(samples)} images but has {done}")
    samples.flush()
    return digest.hexdigest()


def _refuse_unusable(dataset: ImageDataset, data_root: Path, shape: tuple[int, ...], notify: Notify) -> None:
    """Raise the error that lists all unusable images, if some are known before any is decoded."""
    known = dataset.unusable(data_root)
    if not known:
        return
    pictures = dataset.images(data_root)
    decode = partial(to_array, dataset=dataset, image_size=shape[1], channels=shape[0])
    decoded = _decoded(pictures, decode, dataset.name, notify)
    unusable = known + [image for _, failed in decoded for image in failed]
    unusable.sort(key=lambda image: image.name)
    raise unusable_error(dataset.name, unusable, pictures.count + len(known))


Decoded = tuple[np.ndarray, list[UnusableImage]]


def _decoded(
    pictures: Pictures, decode: Callable[[list[Picture]], Decoded], name: str, notify: Notify
) -> Iterator[Decoded]:
    """Yield the pixels and the unusable ones of a few images after the other, decoded on several threads."""
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    done, bad, last_message = 0, 0, time.monotonic()
    with ThreadPoolExecutor(threads) as pool, warnings.catch_warnings():
        # of decoders, about images that they decode nevertheless
        warnings.simplefilter("ignore")
        while block := list(islice(pictures.each, IMAGES_PER_TASK * threads)):
            starts = range(0, len(block), IMAGES_PER_TASK)
            for pixels, failed in pool.map(decode, [block[at : at + IMAGES_PER_TASK] for at in starts]):
                done, bad = done + len(pixels), bad + len(failed)
                yield pixels, failed
            if time.monotonic() - last_message > SECONDS_BETWEEN_MESSAGES:
                last_message = time.monotonic()
                cannot = f", {bad} of them cannot be used" if bad else ""
                notify(f"{name}: {done} of {pictures.count} images decoded{cannot}")
