"""Open image files with an explicit list of formats.

Whatever the suffix of a file, PIL by default tries all formats it knows, and some of them start programs (EPS
starts Ghostscript). Therefore all image files of the package are opened here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PNG = ("PNG",)
FORMATS = ("BMP", "GIF", "JPEG", *PNG, "PPM", "TIFF", "WEBP")


class ImageError(Exception):
    """A file cannot be used as an image; the message is the reason."""


@dataclass(frozen=True)
class UnusableImage:
    """An image that cannot be used.

    Attributes
    ----------
    name : str
        Printable name.
    reason : str
        Reason, such as ``"is empty"``.
    """

    name: str
    reason: str


def open_image(source: Path | IO[bytes], formats: tuple[str, ...] = FORMATS) -> "Image":
    """Open an image; the pixels are decoded later.

    Parameters
    ----------
    source : Path or binary file
        The encoded image.
    formats : tuple of str
        Allowed formats, by PIL's names.

    Raises
    ------
    ImageError
        If the image has none of the formats, is damaged, or is too large for the memory.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(source, formats=formats)
    except UnidentifiedImageError:
        raise ImageError(f"is no image of format {', '.join(formats)}") from None
    # for damaged files, decoders raise almost anything: OSError, SyntaxError, struct.error, zlib.error
    except Exception as error:
        raise ImageError(describe_error(error)) from error


def describe_error(error: Exception) -> str:
    """Return the reason why an image does not decode."""
    from PIL.Image import MAX_IMAGE_PIXELS, DecompressionBombError

    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, DecompressionBombError):
        return f"has more than {2 * (MAX_IMAGE_PIXELS or 0):,} pixels"
    if isinstance(error, MemoryError):
        return "does not decode: there is too little memory"
    message = " ".join(str(error).split())[:200] or type(error).__name__
    return f"does not decode: {message}"
