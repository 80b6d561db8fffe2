"""The user's own images: everything below a folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.datasets.pictures import centre_square, open_image
from bench.datasets.registry import ImageDataset, Notify, Pictures, register
from bench.errors import RequestError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

PREFIX = "folder:"
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def find_images(folder: Path) -> list[Path]:
    """List all images below a folder, sorted by path; names that begin with a dot are left out."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


@register
class Folder(ImageDataset):
    """All images below a folder.

    Parameters
    ----------
    folder : Path
        An existing folder.
    """

    name = "folder:PATH"
    description = "all images below the folder PATH, sorted by path, cropped to the centre square"
    source = "your own images"
    channels = 3
    native_size = None
    published_count = None
    crop_words = "centre square"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        if folder is not None:
            self.name = f"{PREFIX}{folder}"

    @classmethod
    def is_named(cls, name: str) -> bool:
        """Whether `name` begins as a folder's does."""
        return name.startswith(PREFIX)

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Give the data set of ``folder:PATH``; refuse a PATH that is not a folder."""
        text = name.removeprefix(PREFIX)
        folder = Path(text).expanduser()
        if not text or not folder.is_dir():
            raise RequestError(f"dataset {shown(name)}: {shown(text)} is not a folder; PATH must be one")
        return cls(folder)

    def files(self, data_root: Path) -> dict[str, Path]:
        """List the images, by their path below the folder; wherever it lies, the name is the same."""
        if self.folder is None:
            return {}
        return {path.relative_to(self.folder).as_posix(): path for path in find_images(self.folder)}

    def missing(self, data_root: Path) -> str:
        """Say that the folder holds no image, if so."""
        if self.folder is None or self.files(data_root):
            return ""
        return f"put images ({', '.join(SUFFIXES)}) into {self.folder}"

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Refuse a folder without images: the request names the wrong one."""
        raise RequestError(f"dataset {shown(self.name)}: no image below it; {self.missing(data_root)}")

    def images(self, data_root: Path) -> Pictures:
        """Open the images one after the other."""
        paths = list(self.files(data_root).values())
        return Pictures(len(paths), map(open_image, paths))

    def crop(self, image: "Image") -> "Image":
        """Cut out the centre square."""
        return centre_square(image)
