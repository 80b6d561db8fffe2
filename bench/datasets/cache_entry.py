"""The description of an array in the cache of decoded images, stored as JSON beside the array."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class CacheEntry(BaseModel):
    """Description of a cached array; its file is written last, and so marks the array as complete.

    Attributes
    ----------
    name : str
        Name of the data set.
    source : str
        Hash of the source files.
    transform : str
        Description of the transform from the source to the array.
    shape : tuple of int
        (count, channels, height, width).
    hash : str
        SHA-256 of the shape and the samples, in hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    transform: str
    shape: tuple[int, int, int, int]
    hash: str

    @property
    def extent(self) -> str:
        """Channels, height and width, such as ``"1x28x28"``."""
        return "x".join(map(str, self.shape[1:]))


def read_entry(path: Path) -> CacheEntry | None:
    """Return the description in a file, or None if the file is absent or damaged."""
    try:
        return CacheEntry.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
