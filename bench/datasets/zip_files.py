"""Images in a zip file, read in place: nothing is unpacked onto the disk.

Names of members are only names: they decide classes, order and messages, and no path is made of them.
"""

import io
import os
import stat
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets.image_files import ImageError, UnusableImage, open_image
from bench.datasets.listing import Listing, has_image_suffix
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIX = ".zip"
MAX_MEMBER_BYTES = 2**28  # unpacked: a few kilobytes may claim gigabytes
ENCRYPTED, UTF8 = 0x1, 0x800  # bits of a member's flags
# the others unpack without a bound on memory
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_zip_file(path: str) -> bool:
    """Whether a path is that of a regular file whose name has the suffix of zip files."""
    return path.lower().endswith(SUFFIX) and os.path.isfile(path)


def list_zip(path: Path) -> Listing:
    """List the images in a zip file without reading any; hidden names are skipped, as in a folder.

    Parameters
    ----------
    path : Path
        The zip file.

    Returns
    -------
    Listing
        With the order and the names that the unpacked folder would have. Unusable are members that are
        encrypted, empty, too large, links, there twice, compressed by another method than deflate, or whose
        path leads out of the file.

    Raises
    ------
    WorkError
        If the file cannot be read, or its list of members is damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    # a damaged list raises almost anything: BadZipFile, struct.error, NotImplementedError, UnicodeError
    except Exception as error:
        reason = getattr(error, "strerror", None) or printable(str(error))[:200]
        raise WorkError(f"{printable(str(path))} cannot be read as a zip file: {reason}") from error
    members = [(_parts(member), member) for member in archive.infolist() if not member.is_dir()]
    members.sort(key=lambda each: each[0])
    times = Counter(parts for parts, _ in members)
    images, unusable, others = {}, [], []
    for parts, member in members:
        name = "/".join(parts)
        if not has_image_suffix(name):
            if not _is_hidden(parts):
                others.append(printable(name))
        elif ".." in name.replace("\\", "/").split("/") or member.filename.startswith(("/", "\\")):
            unusable.append(UnusableImage(printable(name), "has a path that leads out of the zip file"))
        elif _is_hidden(parts):
            continue
        elif problem := "is there twice" if times[parts] > 1 else _problem(member):
            unusable.append(UnusableImage(printable(name), problem))
        else:
            images[name] = partial(_open, archive, member)
    return Listing(images, unusable, [], others)


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the parts of a member's path as text, in which bytes that are not UTF-8 are escaped."""
    name = member.filename
    if not member.flag_bits & UTF8:
        # zipfile decodes these bytes by the code page of DOS, which has a character for every byte
        name = os.fsdecode(name.encode("cp437"))
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts)


def _problem(member: zipfile.ZipInfo) -> str:
    """Return why a member cannot be read as an image, by what the list of members says."""
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link, which is not followed in a zip file"
    if member.compress_type not in METHODS:
        return f"is compressed by method {member.compress_type}, allowed are stored and deflated"
    if member.file_size == 0:
        return "is empty"
    if member.file_size > MAX_MEMBER_BYTES:
        return f"has {member.file_size:,} bytes, more than {MAX_MEMBER_BYTES:,} in a zip file"
    return ""


def _open(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> "Image":
    """Open an image of a zip file; ImageError if its bytes cannot be read or are no image."""
    try:
        with archive.open(member) as file:
            # a bound: without one, a member is unpacked whatever size it claims
            content = file.read(member.file_size)
    # damaged members raise almost anything: BadZipFile, zlib.error, EOFError, NotImplementedError
    except Exception as error:
        reason = printable(str(error))[:200] or type(error).__name__
        raise ImageError(f"is damaged in the zip file: {reason}") from error
    if len(content) != member.file_size:
        raise ImageError(f"is damaged in the zip file: it has {len(content):,} of {member.file_size:,} bytes")
    return open_image(io.BytesIO(content))
