"""The samples of a data set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Up to here an array is read into memory; beyond, it stays in its file and is mapped.
IN_MEMORY_BYTES = 2**30


@dataclass(frozen=True)
class KnownModes:
    """The modes of a distribution that is known: equally heavy Gaussians.

    Attributes
    ----------
    centres : numpy.ndarray
        float64 of shape (modes, dimensions), in the unit of the samples.
    deviation : float
        Standard deviation of each coordinate about its centre.
    """

    centres: np.ndarray
    deviation: float


@dataclass(frozen=True)
class DataArray:
    """All training samples, images at one size or points.

    Attributes
    ----------
    name : str
        The data set's name, as the user gave it.
    samples : numpy.ndarray or numpy.memmap
        Read-only. Of images uint8 of shape (count, channels, image_size, image_size), of points float32
        of shape (count, 2) in [-1, 1].
    hash : str
        SHA-256, in hexadecimal digits, of the shape and the samples.
    transform : str
        What was done to the source's samples, in words.
    modes : KnownModes or None
        Of points: what they were drawn from.
    """

    name: str
    samples: np.ndarray
    hash: str
    transform: str
    modes: KnownModes | None = None

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
        """Take the next rows."""
        self._digest.update(np.ascontiguousarray(rows).reshape(-1).data)

    def hexdigest(self) -> str:
        """Give the hash in hexadecimal digits."""
        return self._digest.hexdigest()
