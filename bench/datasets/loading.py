"""Load the samples of a data set: draw points, or decode images once and cache the array."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.datasets.array_cache import CachedArray, hash_of
from bench.datasets.arrays import DataArray, KnownModes
from bench.datasets.decoding import Decoded, decoded
from bench.datasets.fingerprints import source_hash
from bench.datasets.held_out import HELD_OUT, Part, part_of_images, part_of_points, require_share
from bench.datasets.image_files import UnusableImage
from bench.datasets.labels import Labels, read_labels
from bench.datasets.pictures import describe_transform, to_array, unusable_error
from bench.datasets.registry import ImageDataset, Notify, Picture, PointDataset, find
from bench.system.errors import WorkError


def _silent(_: str) -> None:
    """Report nothing."""


def load(
    name: str,
    *,
    image_size: int | None,
    channels: int | None,
    data_root: Path,
    cache: Path,
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
        If the name, the size, the number of channels or the share is not allowed, or the share leaves none.
    WorkError
        If files are missing or damaged, or the cache cannot be written.
    """
    require_share(held_out)
    loader = _Loader(name, image_size, channels, data_root, cache, notify)
    return loader.part(held_out, "train") if held_out else loader.all_samples()


def load_held_out(
    name: str,
    *,
    image_size: int | None,
    channels: int | None,
    data_root: Path,
    cache: Path,
    held_out: float = 0.0,
    notify: Notify = _silent,
) -> DataArray | None:
    """Return real samples of a data set that are not among those of :func:`load`, or None without any.

    They serve to measure what training samples cannot tell, such as memorisation. Nothing of them is read
    before they are asked for, nothing is downloaded for them, and they are cached as training samples are.

    Parameters
    ----------
    name, image_size, channels, data_root, cache, notify
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
    loader = _Loader(name, image_size, channels, data_root, cache, notify)
    return loader.part(held_out, HELD_OUT) if held_out else loader.published_test()


@dataclass(frozen=True)
class _Loader:
    """Loads samples of a data set; the fields are parameters of `load`."""

    name: str
    image_size: int | None
    channels: int | None
    data_root: Path
    cache: Path
    notify: Notify

    def all_samples(self) -> DataArray:
        """Return the samples of the data set, or of its published training split."""
        dataset = find(self.name)
        shape = dataset.sample_shape(self.image_size, self.channels)
        if isinstance(dataset, PointDataset):
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
        _refuse_unusable(dataset, self.data_root, shape, self.notify)
        images = _Images(
            dataset=dataset,
            data_root=self.data_root,
            image_size=shape[1],
            channels=shape[0],
            source=source_hash(
                dataset.files(self.data_root), _sources(dataset, self.data_root, self.cache, ".json")
            ),
            folder=self.cache / "images",
            notify=self.notify,
        )
        try:
            samples, digest = images.cached.read_or_create(images.create)
            array = DataArray(self.name, samples, digest, images.transform)
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
    def cached(self) -> CachedArray:
        parts = [self.source, self.transform, self.image_size, self.channels]
        return CachedArray(self.folder, hashlib.sha256(json.dumps(parts).encode()).hexdigest())

    def create(self) -> None:
        """Decode the images and write their array."""
        pictures = self.dataset.images(self.data_root)
        if pictures.count < 1:
            raise WorkError(f"dataset {self.dataset.name} has no images in {self.data_root}")
        shape = (pictures.count, self.channels, self.image_size, self.image_size)
        decode = partial(_to_array, self)

        def blocks() -> Iterator[np.ndarray]:
            self._announce(pictures.count)
            unusable: list[UnusableImage] = []
            for pixels, failed in decoded(pictures, decode, self.dataset.name, self.notify):
                unusable += failed
                yield pixels
            if unusable:
                raise unusable_error(self.dataset.name, unusable, pictures.count)

        self.cached.write(
            blocks(), name=self.dataset.name, source=self.source, transform=self.transform, shape=shape
        )

    def _announce(self, count: int) -> None:
        """Report what is decoded, and which files are not read."""
        name, extent = self.dataset.name, f"{self.channels}x{self.image_size}x{self.image_size}"
        reason = "again, since the cached images are damaged" if self.cached.is_described else "once"
        self.notify(f"{name}: decoding {count} images to {extent} {reason}")
        if unread := self.dataset.unread_files(self.data_root):
            self.notify(f"{name}: {unread}")


def _to_array(images: _Images, pictures: list[Picture]) -> Decoded:
    return to_array(pictures, images.dataset, images.image_size, images.channels)


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


def _refuse_unusable(dataset: ImageDataset, data_root: Path, shape: tuple[int, ...], notify: Notify) -> None:
    """Raise the error that lists all unusable images, if some are known before any is decoded."""
    known = dataset.unusable(data_root)
    if not known:
        return
    pictures = dataset.images(data_root)
    decode = partial(to_array, dataset=dataset, image_size=shape[1], channels=shape[0])
    found = decoded(pictures, decode, dataset.name, notify)
    unusable = known + [image for _, failed in found for image in failed]
    unusable.sort(key=lambda image: image.name)
    raise unusable_error(dataset.name, unusable, pictures.count + len(known))
