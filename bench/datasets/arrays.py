"""The decoded images of a data set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Up to here an array is read into memory; beyond, it stays in its file and is mapped.
IN_MEMORY_BYTES = 2**30


@dataclass(frozen=True)
class ImageArray:
    """All training images at one size.

    Attributes
    ----------
    name : str
        The data set's name, as the user gave it.
    images : numpy.ndarray or numpy.memmap
        uint8 of shape (count, channels, image_size, image_size), read-only.
    hash : str
        SHA-256, in hexadecimal digits, of the shape and the pixels.
    transform : str
        What was done to the source's images, in words.
    """

    name: str
    images: np.ndarray
    hash: str
    transform: str

    @property
    def count(self) -> int:
        """Number of images."""
        return int(self.images.shape[0])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return int(self.images.shape[1])

    @property
    def image_size(self) -> int:
        """Side in pixels."""
        return int(self.images.shape[2])


class PixelHash:
    """The hash of an array that is written piece by piece.

    Parameters
    ----------
    shape : sequence of int
        Shape of the whole array.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._digest = hashlib.sha256(json.dumps(list(shape)).encode())

    def update(self, pixels: np.ndarray) -> None:
        """Take the next rows, uint8."""
        self._digest.update(np.ascontiguousarray(pixels).reshape(-1).data)

    def hexdigest(self) -> str:
        """Give the hash in hexadecimal digits."""
        return self._digest.hexdigest()
