"""The user's own images: everything below a folder."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.datasets.image_files import open_image
from bench.datasets.pictures import Unusable, centre_square, refusal
from bench.datasets.registry import ImageDataset, Notify, Picture, Pictures, register
from bench.system.atomic_files import kind_of
from bench.system.errors import RequestError, printable, shown

if TYPE_CHECKING:
    from PIL.Image import Image

PREFIX = "folder:"
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MOST_BYTES = 2**30  # of an image's file; a larger one is a device of sorts, or damaged
NAMED = 3  # files that the note on those left out names


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes
    ----------
    images : dict of str to Path
        Files with an image's suffix, by their path below the folder, in its order.
    unusable : list of Unusable
        Those among them that cannot be read, and folders that cannot.
    links : list of str
        Links to folders: they are not followed, since they may lead back.
    others : list of str
        Files without an image's suffix.
    """

    images: dict[str, Path]
    unusable: list[Unusable]
    links: list[str]
    others: list[str]


def list_folder(folder: Path) -> Listing:
    """List what lies below a folder, opening no file; names that begin with a dot are left out.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    Listing
        Names in it are paths below the folder; those of images are as the file system has them, the others
        printable.
    """
    images: list[Path] = []
    unusable, links, others = [], [], []

    def name(path: Path) -> str:
        return printable(path.relative_to(folder).as_posix())

    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            entries = list(_visible(place))
        except OSError as error:
            unusable.append(Unusable(name(place), f"is a folder that cannot be read: {error.strerror}"))
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_symlink() and os.path.isdir(path):
                links.append(name(path))
            elif not entry.name.lower().endswith(SUFFIXES):
                others.append(name(path))
            else:
                images.append(path)
                if problem := _problem(path):
                    unusable.append(Unusable(name(path), problem))
    listed = {path.relative_to(folder).as_posix(): path for path in sorted(images)}
    unusable.sort(key=lambda each: each.name)
    return Listing(listed, unusable, sorted(links), sorted(others))


def _visible(place: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(place) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _problem(path: Path) -> str:
    """Say why a file cannot be read as an image, without opening it: that may wait for ever."""
    try:
        facts = path.stat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(facts.st_mode):
        return f"is {kind_of(facts.st_mode)}"
    if facts.st_size == 0:
        return "is empty"
    if facts.st_size > MOST_BYTES:
        return f"has {facts.st_size:,} bytes, more than {MOST_BYTES:,}"
    return "" if os.access(path, os.R_OK) else "cannot be read: Permission denied"


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
    reading_words = "first frame; upright by EXIF; transparent parts on white"
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
        path = os.path.expanduser(text)
        if not text or not os.path.isdir(path):
            raise RequestError(f"dataset {shown(name)}: {shown(text)} is not a folder; PATH must be one")
        try:
            path.encode()
        except UnicodeEncodeError:
            raise RequestError(
                f"dataset {shown(name)}: the folder's name is not UTF-8, which records need; "
                "name it by a link, or rename it"
            ) from None
        return cls(Path(path))

    @cached_property
    def listing(self) -> Listing:
        """What lies below the folder."""
        return Listing({}, [], [], []) if self.folder is None else list_folder(self.folder)

    def files(self, data_root: Path) -> dict[str, Path]:
        """List the images, by their path below the folder; wherever it lies, the name is the same.

        Raises
        ------
        WorkError
            If some cannot be read: none is left out without a word.
        """
        if self.listing.unusable:
            raise refusal(self.name, self.listing.unusable, len(self.listing.images))
        return self.listing.images

    def missing(self, data_root: Path) -> str:
        """Say that the folder holds no image, if so."""
        if self.folder is None or self.files(data_root):
            return ""
        return f"put images ({', '.join(SUFFIXES)}) into {self.folder}"

    def fetch(self, data_root: Path, notify: Notify) -> None:
        """Refuse a folder without images: the request names the wrong one."""
        raise RequestError(f"dataset {shown(self.name)}: no image below it; {self.missing(data_root)}")

    def left_out(self, data_root: Path) -> str:
        """Name links to folders and files without an image's suffix."""
        parts = [
            f"{len(names)} {kind} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
            for kind, names in (
                ("links to folders", self.listing.links),
                ("files without an image's suffix", self.listing.others),
            )
            if names
        ]
        return f"not read: {' and '.join(parts)}" if parts else ""

    def images(self, data_root: Path) -> Pictures:
        """List the images."""
        files = self.files(data_root)
        each = (Picture(printable(name), partial(open_image, path)) for name, path in files.items())
        return Pictures(len(files), each)

    def crop(self, image: "Image") -> "Image":
        """Cut out the centre square."""
        return centre_square(image)
