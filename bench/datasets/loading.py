"""Get a data set's samples: draw points, decode images once and keep the result in the cache."""

import hashlib
import json
import os
import shutil
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.arrays import IN_MEMORY_BYTES, ArrayHash, DataArray, KnownModes
from bench.datasets.fingerprints import source_hash
from bench.datasets.pictures import Unusable, refusal, to_array, transform_words
from bench.datasets.registry import ImageDataset, Notify, Picture, Pictures, PointDataset, find
from bench.system.atomic_files import PREFIX, write_text
from bench.system.errors import WorkError
from bench.system.leftovers import remove_leftovers

IMAGES_PER_PART = 16
MOST_UNUSABLE = 100  # images after which decoding ends
MOST_THREADS = 8
SECONDS_BETWEEN_NOTES = 15.0


def _silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class _Plan:
    """What is to be decoded, how, and where to it goes."""

    dataset: ImageDataset
    data_root: Path
    image_size: int
    channels: int
    source: str
    folder: Path
    notify: Notify

    @property
    def transform(self) -> str:
        return transform_words(self.dataset, self.image_size, self.channels)

    @property
    def key(self) -> str:
        parts = [self.source, self.transform, self.image_size, self.channels]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def decode(self, pictures: list[Picture]) -> tuple[np.ndarray, list[Unusable]]:
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
    """Give all training samples of a data set: images at one size, from the cache where they are in it.

    Several processes may ask for the same images at once: one decodes, the others wait for it.

    Parameters
    ----------
    name : str
        A registered name, or ``folder:PATH``.
    image_size : int or None
        Side in pixels, at least 1; None for points.
    channels : {1, 3} or None
        Grey, RGB, or what the data set has; None for points.
    data_root : Path
        Folder of the published data sets; missing ones that torchvision can download are put there.
    cache : Path
        Folder for decoded images; made if need be.
    notify : callable
        Is told, in one line each, of what takes time.

    Returns
    -------
    DataArray
        Images are uint8 of shape (count, channels, image_size, image_size); points are float32 of shape
        (count, 2) and come with their modes.

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
    place = _place(dataset, data_root)
    memory = cache / "sources" / f"{place}.json"
    plan = _Plan(
        dataset=dataset,
        data_root=data_root,
        image_size=shape[1],
        channels=shape[0],
        source=source_hash(dataset.files(data_root), memory),
        folder=cache / "images",
        notify=notify,
    )
    try:
        return _read(plan, name) or _build_once(plan, name)
    except OSError as error:
        raise WorkError(f"the cache in {plan.folder} cannot be used: {error}") from error


def _draw(dataset: PointDataset) -> DataArray:
    """Draw points, which takes less time than to read them."""
    points = dataset.points()
    points.flags.writeable = False
    modes = KnownModes(dataset.centres(), dataset.deviation)
    return DataArray(dataset.name, points, _hash(points), dataset.transform, modes)


def _place(dataset: ImageDataset, data_root: Path) -> str:
    """Name a data set and where it lies in a few letters."""
    where = f"{dataset.name}\0{os.path.realpath(data_root)}"
    return hashlib.sha256(where.encode(errors="surrogateescape")).hexdigest()[:16]


def _ensure_present(dataset: ImageDataset, data_root: Path, cache: Path, notify: Notify) -> None:
    """Download what is missing, one process at a time."""
    from filelock import FileLock

    if not dataset.missing(data_root):
        return
    lock = cache / "sources" / f"{_place(dataset, data_root)}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            if dataset.missing(data_root):
                dataset.fetch(data_root, notify)
    except OSError as error:
        raise WorkError(f"the cache in {lock.parent} cannot be used: {error}") from error


def _read(plan: _Plan, name: str) -> DataArray | None:
    """Give the cached images if they are there and whole."""
    try:
        facts: dict[str, Any] = json.loads(plan.path(".json").read_text(encoding="utf-8"))
        shape, digest = tuple(facts["shape"]), str(facts["hash"])
        images: np.ndarray = np.load(plan.path(".npy"), mmap_mode="r")
        if images.shape != shape or images.dtype != np.uint8:
            raise ValueError("the array is not the one that was written")
        if images.nbytes < IN_MEMORY_BYTES:
            images = np.array(images)
            images.flags.writeable = False
            # Beyond this size the check would cost too much at every start.
            if _hash(images) != digest:
                raise ValueError("the pixels are not those that were written")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, EOFError):
        return None
    return DataArray(name=name, samples=images, hash=digest, transform=plan.transform)


def _hash(samples: np.ndarray) -> str:
    digest = ArrayHash(samples.shape)
    digest.update(samples)
    return digest.hexdigest()


def _build_once(plan: _Plan, name: str) -> DataArray:
    """Decode the images unless another process has done so meanwhile."""
    from filelock import FileLock

    plan.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(plan.path(".lock")):
        array = _read(plan, name)
        if array is None:
            _build(plan)
            array = _read(plan, name)
    if array is None:
        raise WorkError(f"{plan.path('.npy')} was changed while it was written")
    return array


def _build(plan: _Plan) -> None:
    """Write the array aside, put it in place, and then its description, which says that it is complete."""
    pictures = plan.dataset.images(plan.data_root)
    if pictures.count < 1:
        raise WorkError(f"dataset {plan.dataset.name} has no images in {plan.data_root}")
    # what a killed process left takes room
    remove_leftovers(plan.folder, depth=0)
    shape = (pictures.count, plan.channels, plan.image_size, plan.image_size)
    size = int(np.prod(shape, dtype=np.int64))
    free = shutil.disk_usage(plan.folder).free
    if size > free:
        raise WorkError(f"{plan.folder} has {free / 2**30:.1f} GiB free but needs {size / 2**30:.1f}")
    extent = "x".join(map(str, shape[1:]))
    why = "again, for the cached ones are damaged" if plan.path(".json").exists() else "once"
    plan.notify(f"{plan.dataset.name}: decoding {pictures.count} images to {extent} {why}")
    if left_out := plan.dataset.left_out(plan.data_root):
        plan.notify(f"{plan.dataset.name}: {left_out}")
    aside = plan.folder / f"{PREFIX}{os.getpid()}-{plan.key[:16]}.partial"
    try:
        digest = _decode(plan, pictures, shape, aside)
        os.replace(aside, plan.path(".npy"))
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    facts = {
        "name": plan.dataset.name,
        "source": plan.source,
        "transform": plan.transform,
        "shape": shape,
        "hash": digest,
    }
    write_text(plan.path(".json"), json.dumps(facts, indent=1))


def _decode(plan: _Plan, pictures: Pictures, shape: tuple[int, ...], path: Path) -> str:
    """Fill the array's file in blocks, on several threads; give the hash of the pixels."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    digest = ArrayHash(shape)
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    done, told = 0, time.monotonic()
    unusable: list[Unusable] = []
    with ThreadPoolExecutor(threads) as pool, warnings.catch_warnings():
        # of decoders, about images that they decode
        warnings.simplefilter("ignore")
        while block := list(islice(pictures.each, IMAGES_PER_PART * threads)):
            if done + len(block) > len(array):
                raise WorkError(
                    f"dataset {plan.dataset.name} has more than the {len(array)} images it declares"
                )
            starts = range(0, len(block), IMAGES_PER_PART)
            parts = [block[start : start + IMAGES_PER_PART] for start in starts]
            for pixels, failed in pool.map(plan.decode, parts):
                array[done : done + len(pixels)] = pixels
                digest.update(pixels)
                done += len(pixels)
                unusable += failed
            if len(unusable) >= MOST_UNUSABLE:
                break
            if time.monotonic() - told > SECONDS_BETWEEN_NOTES:
                told = time.monotonic()
                plan.notify(f"{plan.dataset.name}: {done} of {len(array)} images decoded")
    if unusable:
        raise refusal(plan.dataset.name, unusable, len(array), at_least=done < len(array))
    if done != len(array):
        raise WorkError(f"dataset {plan.dataset.name} declares {len(array)} images but has {done}")
    array.flush()
    return digest.hexdigest()
