"""A share of a data set that is held out of training, by the content of each sample.

A sample is held out if the first 64 bits of the SHA-256 of its values, read as a number in [0, 1), are below
the share. The choice therefore depends neither on the names nor on the order of the samples: a sample that is
added moves no other one, equal samples stay together, and a larger share holds out all samples of a smaller.
The values are those of the decoded image: at another size, crop or number of channels others are chosen.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from bench.datasets.array_cache import CachedArray, hash_of
from bench.datasets.arrays import DataArray
from bench.datasets.labels import Labels
from bench.system.atomic_files import atomic_write
from bench.system.errors import RequestError

LARGEST_SHARE = 0.5
ROWS_PER_BLOCK = 1024  # bounds the memory for copying an array that is mapped

Part = Literal["train", "held-out"]
HELD_OUT: Part = "held-out"


def require_share(share: float) -> None:
    """Raise RequestError if a share is not between 0 and a half."""
    if not 0 <= share <= LARGEST_SHARE:
        raise RequestError(f"held_out {share} is out of range: allowed is 0 to {LARGEST_SHARE}")


def is_held_out(samples: np.ndarray, share: float) -> np.ndarray:
    """Return which samples are held out.

    Parameters
    ----------
    samples : numpy.ndarray
        Images or points, of shape (count, ...).
    share : float
        Expected part of the samples, 0 to 0.5.

    Returns
    -------
    numpy.ndarray
        bool of shape (count,).
    """
    limit = int(share * 2**64)  # exact: a power of two only moves the exponent
    numbers = (hashlib.sha256(np.ascontiguousarray(sample).data).digest()[:8] for sample in samples)
    return np.fromiter((int.from_bytes(number) < limit for number in numbers), bool, len(samples))


def describe(share: float, part: Part) -> str:
    """Return the words of the transform that say which samples of a data set a part has."""
    words = "without" if part == "train" else "only"
    return f"{words} the share {share:.12g} held out, by the SHA-256 of each sample"


@dataclass(frozen=True)
class _CachedPart:
    """One part of an array of images in the cache, with the file `KEY.rows.npy` of its rows in the array."""

    whole: DataArray
    share: float
    part: Part
    folder: Path

    @property
    def cached(self) -> CachedArray:
        parts = [self.whole.hash, self.share, self.part]
        return CachedArray(self.folder, hashlib.sha256(json.dumps(parts).encode()).hexdigest())

    def load(self) -> DataArray:
        """Return the part, from the cache where it is there."""
        if self._rows() is None:
            self.cached.path(".json").unlink(missing_ok=True)
        samples, digest = self.cached.read_or_create(self._create)
        rows = self._rows()
        assert rows is not None
        return _part_of(self.whole, rows, samples, digest, self.share, self.part)

    def _rows(self) -> np.ndarray | None:
        """Return the rows of the part, int64 (count,), or None if their file is absent or damaged."""
        try:
            rows: np.ndarray = np.load(self.cached.path(".rows.npy"))
        except (FileNotFoundError, ValueError, EOFError):
            return None
        fits = rows.ndim == 1 and rows.dtype == np.int64 and 0 < len(rows) <= self.whole.count
        if not fits or rows[0] < 0 or rows[-1] >= self.whole.count or not (np.diff(rows) > 0).all():
            return None
        return rows

    def _create(self) -> None:
        rows = _rows_of(self.whole, self.share, self.part)
        with atomic_write(self.cached.path(".rows.npy")) as temporary, temporary.open("wb") as file:
            np.save(file, rows)
        self.cached.write(
            self._blocks(rows),
            name=self.whole.name,
            source=self.whole.hash,
            transform=f"{self.whole.transform}; {describe(self.share, self.part)}",
            shape=(len(rows), *self.whole.samples.shape[1:]),
        )

    def _blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), ROWS_PER_BLOCK):
            yield self.whole.samples[rows[start : start + ROWS_PER_BLOCK]]


def part_of_images(whole: DataArray, share: float, part: Part, folder: Path) -> DataArray:
    """Return the training part or the held-out part of all images of a data set.

    Parameters
    ----------
    whole : DataArray
        All images.
    share : float
        Share that is held out, above 0 and at most 0.5.
    part : {"train", "held-out"}
        Which part.
    folder : Path
        Folder of cached images, in which each part has files of its own.

    Raises
    ------
    RequestError
        If the part has no image.
    """
    return _CachedPart(whole, share, part, folder).load()


def part_of_points(whole: DataArray, share: float, part: Part) -> DataArray:
    """Return the training part or the held-out part of all points of a data set, as `part_of_images`."""
    rows = _rows_of(whole, share, part)
    points = whole.samples[rows]
    points.flags.writeable = False
    return _part_of(whole, rows, points, hash_of(points), share, part)


def _rows_of(whole: DataArray, share: float, part: Part) -> np.ndarray:
    """Return the rows of a part, int64 in ascending order; RequestError if there is none."""
    held_out = is_held_out(whole.samples, share)
    rows = np.flatnonzero(held_out if part == HELD_OUT else ~held_out)
    if not len(rows):
        samples = "no sample is held out" if part == HELD_OUT else "all samples are held out"
        raise RequestError(f"held_out {share}: of the {whole.count:,} samples of {whole.name} {samples}")
    return rows


def _part_of(
    whole: DataArray, rows: np.ndarray, samples: np.ndarray, digest: str, share: float, part: Part
) -> DataArray:
    words = f"{whole.transform}; {describe(share, part)}"
    array = replace(whole, samples=samples, hash=digest, transform=words, split=part)
    if whole.labels is None:
        return array
    labels = Labels.of(whole.labels[rows], whole.class_names)
    return replace(array, labels=labels.values, labels_hash=labels.hash)
