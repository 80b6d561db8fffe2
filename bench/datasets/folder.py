"""The user's own images: everything below a folder or in a zip file, whose subfolders may be classes."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from bench.datasets.image_files import UnusableImage
from bench.datasets.listing import SUFFIXES, Listing, list_folder
from bench.datasets.pictures import centre_square, unusable_error
from bench.datasets.registry import ImageDataset, Notify, Picture, Pictures, register
from bench.datasets.zip_files import SUFFIX, is_zip_file, list_zip
from bench.system.errors import RequestError, printable, shown
from bench.system.paths import is_utf8

if TYPE_CHECKING:
    from PIL.Image import Image

PREFIX = "folder:"
MAX_NAMED = 3  # unread files that a message names


@register
class Folder(ImageDataset):
    """All images below a folder, or in a zip file, which stands for the folder of its members.

    Where there are no images beside subfolders, and at least two subfolders with images, each subfolder is a
    class of the images below it. Classes are numbered by their sorted names.

    Parameters
    ----------
    folder : Path
        An existing folder or zip file.
    """

    name = "folder:PATH"
    description = "all images below PATH, a folder or a zip file; subfolders are classes"
    source = "your own images"
    channels = 3
    preset = "colour-quick"
    native_size = None
    published_count = None
    crop_description = "centre square"
    in_data_root = False
    scans_headers = True

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        if folder is not None:
            self.name = f"{PREFIX}{folder}"

    @classmethod
    def is_named(cls, name: str) -> bool:
        """Return whether `name` starts with the prefix of a folder."""
        return name.startswith(PREFIX)

    @classmethod
    def located(cls, name: str) -> str:
        """Return ``folder:PATH`` with an absolute PATH, whose links are kept."""
        path = name.removeprefix(PREFIX)
        return f"{PREFIX}{os.path.abspath(os.path.expanduser(path))}" if path else name

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Return the data set of ``folder:PATH``; raise an error if PATH is neither folder nor zip file."""
        text = name.removeprefix(PREFIX)
        path = os.path.expanduser(text)
        if not text or not (os.path.isdir(path) or is_zip_file(path)):
            raise RequestError(
                f"dataset {shown(name)}: {shown(text)} is not a folder; PATH must be one, or a zip file"
            )
        if not is_utf8(path):
            raise RequestError(
                f"dataset {shown(name)}: the folder's name is not UTF-8, which records need; "
                "name it by a link, or rename it"
            )
        return cls(Path(path))

    @property
    def _is_zip(self) -> bool:
        return self.folder is not None and is_zip_file(str(self.folder))

    @cached_property
    def listing(self) -> Listing:
        """The files below the folder, or in the zip file."""
        if self.folder is None:
            return Listing({}, [], [], [])
        return list_zip(self.folder) if self._is_zip else list_folder(self.folder)

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the images by their relative path, which does not depend on the location of the folder.

        Raises
        ------
        WorkError
            If some images cannot be read: no image is skipped silently.
        """
        if unusable := self.listing.unusable:
            raise unusable_error(self.name, unusable, len(self.listing.images) + len(unusable))
        if self.folder is None:
            return {}
        if self._is_zip:
            return {SUFFIX: self.folder}
        return {name: self.folder / name for name in self.listing.images}

    def unusable(self, data_root: Path) -> list[UnusableImage]:
        """Return the files that cannot be read: empty ones, FIFOs, dangling links, encrypted members."""
        return self.listing.unusable

    @cached_property
    def _class_folders(self) -> list[str]:
        """Names of the subfolders that are classes, sorted; empty for images without labels."""
        parts = [name.split("/") for name in self.listing.images]
        folders = sorted({path[0] for path in parts})
        return folders if len(folders) > 1 and all(len(path) > 1 for path in parts) else []

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the subfolders that are classes."""
        return tuple(map(printable, self._class_folders))

    def labels(self, data_root: Path) -> np.ndarray:
        """Return the class of each image, by its subfolder."""
        number = {name: place for place, name in enumerate(self._class_folders)}
        return np.array([number[name.split("/")[0]] for name in self.listing.images])

    def missing(self, data_root: Path) -> str:
        """Return a request to add images if the folder has none."""
        if self.folder is None or self.listing.images or self.listing.unusable:
            return ""
        return f"put images ({', '.join(SUFFIXES)}) into {self.folder}"

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Raise an error for a folder without images: the request names the wrong folder."""
        raise RequestError(f"dataset {shown(self.name)}: no image below it; {self.missing(data_root)}")

    def unread_files(self, data_root: Path) -> str:
        """Return the links to folders and the files without the suffix of an image."""
        parts = [
            f"{kind}: {len(names):,} ({', '.join(names[:MAX_NAMED] + ['...'] * (len(names) > MAX_NAMED))})"
            for kind, names in (
                ("links to folders", self.listing.links),
                ("files without an image's suffix", self.listing.others),
            )
            if names
        ]
        return f"not read are {'; '.join(parts)}" if parts else ""

    def images(self, data_root: Path) -> Pictures:
        """Return the readable images."""
        images = self.listing.images
        return Pictures(len(images), (Picture(printable(name), open_) for name, open_ in images.items()))

    def crop(self, image: "Image") -> "Image":
        """Return the centre square."""
        return centre_square(image)
