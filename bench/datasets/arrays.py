"""The samples of a data set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# Smaller arrays are read into memory; larger ones are memory-mapped.
IN_MEMORY_BYTES = 2**30


@dataclass(frozen=True)
class KnownModes:
    """The modes of a known distribution: equally weighted Gaussians.

    Attributes
    ----------
    centres : numpy.ndarray
        float64 of shape (modes, dimensions), in the unit of the samples.
    deviation : float
        Standard deviation of each coordinate about the centre.
    """

    centres: np.ndarray
    deviation: float


def mode_names(count: int) -> tuple[str, ...]:
    """Return the names of the modes of a known distribution as classes, by number."""
    return tuple(f"mode {number}" for number in range(count))


@dataclass(frozen=True)
class DataArray:
    """The samples of a data set, images at one size or points.

    Attributes
    ----------
    name : str
        Name of the data set, as the user typed it.
    samples : numpy.ndarray or numpy.memmap
        Read-only. Images are uint8 of shape (count, channels, image_size, image_size), points are float32 of
        shape (count, 2) in [-1, 1].
    hash : str
        SHA-256 of the shape and the samples, in hexadecimal digits.
    transform : str
        Description of the transform from the source to these samples.
    modes : KnownModes or None
        Modes of the distribution of points; None for images.
    labels : numpy.ndarray or None
        Class of each sample, int64 (count,), from 0; None for a data set without labels.
    class_names : tuple of str
        Names of the classes, by their number; empty without labels.
    labels_hash : str
        SHA-256 of the names of the classes and the labels, in hexadecimal digits; empty without labels.
    split : {"train", "test", "held-out"}
        Training samples, or samples that are not among them: of a published test split, or a held-out share.
    """

    name: str
    samples: np.ndarray
    hash: str
    transform: str
    modes: KnownModes | None = None
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    labels_hash: str = ""
    split: Literal["train", "test", "held-out"] = "train"

    @property
    def count(self) -> int:
        """Number of samples."""
        return int(self.samples.shape[0])


class ArrayHash:
    """The hash of an array that is written piece by piece.

    Parameters
    ----------
    shape : sequence of int
        Shape of the whole array.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._digest = hashlib.sha256(json.dumps(list(shape)).encode())

    def update(self, rows: np.ndarray) -> None:
        """Add the next rows of the array to the hash."""
        self._digest.update(np.ascontiguousarray(rows).reshape(-1).data)

    def hexdigest(self) -> str:
        """Return the hash in hexadecimal digits."""
        return self._digest.hexdigest()
