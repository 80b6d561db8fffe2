"""Image files, opened by an explicit list of formats.

Whatever a file's name says, the image library tries every format it knows, and some of these start programs
(EPS starts Ghostscript). So every image file is opened here.
"""

from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PNG = ("PNG",)
FORMATS = ("BMP", "GIF", "JPEG", *PNG, "PPM", "TIFF", "WEBP")


class NoImage(Exception):
    """A file cannot be used as an image; the message is the reason."""


def open_image(source: Path | IO[bytes], formats: tuple[str, ...] = FORMATS) -> "Image":
    """Open an image; its pixels are decoded later.

    Parameters
    ----------
    source : Path or binary file
        The encoded image.
    formats : tuple of str
        Formats that it may have.

    Raises
    ------
    NoImage
        If it has none of the formats, is damaged, or would be too large in memory.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(source, formats=formats)
    except UnidentifiedImageError:
        raise NoImage(f"is no image of format {', '.join(formats)}") from None
    # decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error, zlib.error
    except Exception as error:
        raise NoImage(reason(error)) from error


def reason(error: Exception) -> str:
    """Say in words why an image does not decode."""
    from PIL.Image import MAX_IMAGE_PIXELS, DecompressionBombError

    if isinstance(error, NoImage):
        return str(error)
    if isinstance(error, DecompressionBombError):
        return f"has more than {2 * (MAX_IMAGE_PIXELS or 0):,} pixels"
    if isinstance(error, MemoryError):
        return "does not decode: there is too little memory"
    words = " ".join(str(error).split())[:200] or type(error).__name__
    return f"does not decode: {words}"
