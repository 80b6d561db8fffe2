"""The user's own images: everything below a folder, whose subfolders may be classes."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from bench.datasets.image_files import UnusableImage, open_image
from bench.datasets.pictures import centre_square, unusable_error
from bench.datasets.registry import ImageDataset, Notify, Picture, Pictures, register
from bench.system.atomic_files import kind_of
from bench.system.errors import RequestError, printable, shown
from bench.system.paths import is_utf8

if TYPE_CHECKING:
    from PIL.Image import Image

PREFIX = "folder:"
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_BYTES = 2**30  # a larger file is no image of a usable size, or damaged
MAX_NAMED = 3  # unread files that a message names


@dataclass(frozen=True)
class Listing:
    """The files below a folder.

    Attributes
    ----------
    images : dict of str to Path
        Readable files with the suffix of an image, by their path relative to the folder, sorted by path.
    unusable : list of UnusableImage
        Image files and folders that cannot be read.
    links : list of str
        Links to folders, which are not followed, since they may lead back.
    others : list of str
        Files without the suffix of an image.
    """

    images: dict[str, Path]
    unusable: list[UnusableImage]
    links: list[str]
    others: list[str]


def list_folder(folder: Path) -> Listing:
    """List the files below a folder without opening any; names that begin with a dot are skipped.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    Listing
        Names are relative paths: those of images as in the file system, the others printable.
    """
    images: list[Path] = []
    unusable, links, others = [], [], []

    def name(path: Path) -> str:
        return printable(path.relative_to(folder).as_posix())

    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            entries = list(_visible(current))
        except OSError as error:
            unusable.append(
                UnusableImage(name(current), f"is a folder that cannot be read: {error.strerror}")
            )
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif entry.is_symlink() and os.path.isdir(path):
                links.append(name(path))
            elif not entry.name.lower().endswith(SUFFIXES):
                others.append(name(path))
            elif problem := _problem(path):
                unusable.append(UnusableImage(name(path), problem))
            else:
                images.append(path)
    listed = {path.relative_to(folder).as_posix(): path for path in sorted(images)}
    unusable.sort(key=lambda each: each.name)
    return Listing(listed, unusable, sorted(links), sorted(others))


def _visible(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _problem(path: Path) -> str:
    """Return why a file cannot be read as an image, without opening it, since opening a FIFO may block."""
    try:
        facts = path.stat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(facts.st_mode):
        return f"is {kind_of(facts.st_mode)}"
    if facts.st_size == 0:
        return "is empty"
    if facts.st_size > MAX_BYTES:
        return f"has {facts.st_size:,} bytes, more than {MAX_BYTES:,}"
    return "" if os.access(path, os.R_OK) else "cannot be read: Permission denied"


@register
class Folder(ImageDataset):
    """All images below a folder.

    Where there are no images beside subfolders, and at least two subfolders with images, each subfolder is a
    class of the images below it. Classes are numbered by their sorted names.

    Parameters
    ----------
    folder : Path
        An existing folder.
    """

    name = "folder:PATH"
    description = "all images below the folder PATH, cropped to the centre square; subfolders are classes"
    source = "your own images"
    channels = 3
    native_size = None
    published_count = None
    crop_description = "centre square"
    in_data_root = False

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
        """Return the data set of ``folder:PATH``; raise an error if PATH is not a folder."""
        text = name.removeprefix(PREFIX)
        path = os.path.expanduser(text)
        if not text or not os.path.isdir(path):
            raise RequestError(f"dataset {shown(name)}: {shown(text)} is not a folder; PATH must be one")
        if not is_utf8(path):
            raise RequestError(
                f"dataset {shown(name)}: the folder's name is not UTF-8, which records need; "
                "name it by a link, or rename it"
            )
        return cls(Path(path))

    @cached_property
    def listing(self) -> Listing:
        """The files below the folder."""
        return Listing({}, [], [], []) if self.folder is None else list_folder(self.folder)

    def files(self, data_root: Path) -> dict[str, Path]:
        """Return the images by their relative path, which does not depend on the location of the folder.

        Raises
        ------
        WorkError
            If some images cannot be read: no image is skipped silently.
        """
        if unusable := self.listing.unusable:
            raise unusable_error(self.name, unusable, len(self.listing.images) + len(unusable))
        return self.listing.images

    def unusable(self, data_root: Path) -> list[UnusableImage]:
        """Return the files that cannot be read: empty ones, FIFOs, dangling links, closed folders."""
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
        files = self.listing.images
        each = (Picture(printable(name), partial(open_image, path)) for name, path in files.items())
        return Pictures(len(files), each)

    def crop(self, image: "Image") -> "Image":
        """Return the centre square."""
        return centre_square(image)
