"""Arrays of images in the cache: written once, by one process at a time, and checked when they are read."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.datasets.arrays import IN_MEMORY_BYTES, ArrayHash
from bench.datasets.cache_entry import CacheEntry, read_entry
from bench.system.atomic_files import atomic_write, write_text
from bench.system.errors import WorkError
from bench.system.leftovers import remove_leftovers


class HashedArray(NamedTuple):
    """Images, uint8 (count, channels, height, width), read-only, and the hash of shape and pixels."""

    samples: np.ndarray
    hash: str


@dataclass(frozen=True)
class CachedArray:
    """An array of images in the cache: `KEY.npy`, and its description `KEY.json`, which is written last.

    Attributes
    ----------
    folder : Path
        Folder of the files.
    key : str
        Name of the files without a suffix; whatever decides the pixels is part of it.
    """

    folder: Path
    key: str

    def path(self, suffix: str) -> Path:
        """Return the path of a file of the array."""
        return self.folder / f"{self.key}{suffix}"

    @property
    def is_described(self) -> bool:
        """Whether there is a description, of a whole or a damaged array."""
        return self.path(".json").exists()

    def read(self) -> HashedArray | None:
        """Return the images, or None if they are absent or damaged."""
        entry = read_entry(self.path(".json"))
        if entry is None:
            return None
        try:
            images: np.ndarray = np.load(self.path(".npy"), mmap_mode="r")
        except (FileNotFoundError, ValueError, EOFError):
            return None
        if images.shape != entry.shape or images.dtype != np.uint8:
            return None
        if images.nbytes < IN_MEMORY_BYTES:
            images = np.array(images)
            images.flags.writeable = False
            # only for small arrays, since hashing a large one would delay every start
            if hash_of(images) != entry.hash:
                return None
        return HashedArray(images, entry.hash)

    def read_or_create(self, create: Callable[[], None]) -> HashedArray:
        """Return the images; `create` writes them unless another process has done so meanwhile.

        Raises
        ------
        WorkError
            If the array is changed while it is written.
        """
        from filelock import FileLock

        if found := self.read():
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path(".lock")):
            found = self.read()
            if found is None:
                create()
                found = self.read()
        if found is None:
            raise WorkError(f"{self.path('.npy')} was changed while it was written")
        return found

    def write(
        self, blocks: Iterable[np.ndarray], *, name: str, source: str, transform: str, shape: tuple[int, ...]
    ) -> None:
        """Write the array to a temporary file, rename the file, then write the description.

        Parameters
        ----------
        blocks : iterable of numpy.ndarray
            The images in order, uint8 of shape (any, channels, height, width).
        name, source, transform : str
            As in :class:`bench.datasets.cache_entry.CacheEntry`.
        shape : tuple of int
            (count, channels, height, width).

        Raises
        ------
        WorkError
            If the disk has no room, or the number of images is not that of the shape.
        """
        # leftovers of killed processes take disk space
        remove_leftovers(self.folder, depth=0)
        size = int(np.prod(shape, dtype=np.int64))
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise WorkError(f"{self.folder} has {free / 2**30:.1f} GiB free but needs {size / 2**30:.1f}")
        with atomic_write(self.path(".npy")) as temporary:
            digest = _write_blocks(blocks, name, shape, temporary)
        entry = CacheEntry.model_validate(
            {"name": name, "source": source, "transform": transform, "shape": shape, "hash": digest}
        )
        write_text(self.path(".json"), entry.model_dump_json(indent=1))


def hash_of(samples: np.ndarray) -> str:
    """Return the hash of the shape and the values of an array, in hexadecimal digits."""
    digest = ArrayHash(samples.shape)
    digest.update(samples)
    return digest.hexdigest()


def _write_blocks(blocks: Iterable[np.ndarray], name: str, shape: tuple[int, ...], path: Path) -> str:
    """Write an array in blocks and return its hash."""
    samples = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    digest = ArrayHash(shape)
    done = 0
    for pixels in blocks:
        if done + len(pixels) > len(samples):
            raise WorkError(f"dataset {name} has more than the {len(samples)} images it declares")
        samples[done : done + len(pixels)] = pixels
        digest.update(pixels)
        done += len(pixels)
    if done != len(samples):
        raise WorkError(f"dataset {name} declares {len(samples)} images but has {done}")
    samples.flush()
    return digest.hexdigest()
