"""The images below a folder, found without opening any."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets.image_files import UnusableImage, open_image
from bench.system.atomic_files import kind_of
from bench.system.errors import printable

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_BYTES = 2**30  # a larger file is no image of a usable size, or damaged


@dataclass(frozen=True)
class Listing:
    """The files below a folder, or in a zip file.

    Attributes
    ----------
    images : mapping of str to callable
        What opens each readable file with the suffix of an image, by its path relative to the folder, sorted
        by the parts of the path.
    unusable : list of UnusableImage
        Image files and folders that cannot be read.
    links : list of str
        Links to folders, which are not followed, since they may lead back.
    others : list of str
        Files without the suffix of an image.
    """

    images: "Mapping[str, Callable[[], Image]]"
    unusable: list[UnusableImage]
    links: list[str]
    others: list[str]


def has_image_suffix(name: str) -> bool:
    """Return whether a file name has the suffix of an image, in letters of any case."""
    return name.lower().endswith(SUFFIXES)


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
            elif not has_image_suffix(entry.name):
                others.append(name(path))
            elif problem := _problem(path):
                unusable.append(UnusableImage(name(path), problem))
            else:
                images.append(path)
    listed = {path.relative_to(folder).as_posix(): partial(open_image, path) for path in sorted(images)}
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
