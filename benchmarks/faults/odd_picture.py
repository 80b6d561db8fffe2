"""An odd picture, and the pixels and bytes that odd pictures are made of."""

import io
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

Outcome = Literal["used", "refused", "left out", "either"]
Content = bytes | Callable[[], bytes]

WIDTH, HEIGHT = 24, 16


@dataclass(frozen=True)
class OddPicture:
    """One odd picture.

    Attributes
    ----------
    kind : str
        Short description.
    name : bytes
        File name.
    make : callable
        Creates the file at a path.
    outcome : {"used", "refused", "left out", "either"}
        Required result: an image of the data set; an error in one line that names the file; a skipped file;
        or, for damage that may go unnoticed, an image or such an error.
    """

    kind: str
    name: bytes
    make: Callable[[Path], object]
    outcome: Outcome

    def write(self, folder: Path) -> Path:
        """Create the file in a folder and return its path."""
        path = folder / os.fsdecode(self.name)
        self.make(path)
        return path


def write_bytes(content: Content, path: Path) -> None:
    """Create a file."""
    path.write_bytes(content if isinstance(content, bytes) else content())


def noise(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 0) -> Image.Image:
    """Return a picture of random pixels, which compresses badly, so that a truncated file lacks some."""
    width, height = size
    made = Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * width * height))
    if mode in ("RGBA", "LA"):
        made.putalpha(Image.frombytes("L", size, random.Random(seed + 1).randbytes(width * height)))
    if mode == "LAB":
        return Image.frombytes("LAB", size, random.Random(seed).randbytes(3 * width * height))
    if mode == "I;16":
        return Image.frombytes("I;16", size, random.Random(seed).randbytes(2 * width * height))
    return made.convert("L").convert(mode) if mode in ("I", "F") else made.convert(mode)


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
