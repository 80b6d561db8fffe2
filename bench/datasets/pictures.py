"""Turn encoded images into arrays of bytes."""

import re
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from bench.datasets.image_files import ImageError, UnusableImage, describe_error
from bench.datasets.registry import ImageDataset, Picture
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

# Modes of more than 8 bits, which PIL silently clips or truncates to 8 bits.
DEEP_MODES = ("I", "F")
DEEP_RAW_MODE = re.compile(r";16[A-Z]|;12")
ORIENTATION = 0x0112  # EXIF tag

MAX_NAMED = 10  # unusable images that a message names
# of many names and reasons, so that a message has room for all
NAME_LENGTH, REASON_LENGTH = 40, 60


def unusable_error(
    dataset: str, unusable: Sequence[UnusableImage], count: int, what: str = "dataset"
) -> WorkError:
    """Return the error that has the number of the images that cannot be used, and names the first ten.

    Parameters
    ----------
    dataset : str
        The data set's name.
    unusable : sequence of UnusableImage
        All of them, at least one.
    count : int
        Number of images of the data set, the unusable ones among them.
    what : str
        What the name names.
    """
    few = len(unusable) <= MAX_NAMED // 2
    names: dict[str, list[str]] = {}
    for each in unusable[:MAX_NAMED]:
        reason = each.reason if few else _cut(each.reason, REASON_LENGTH)
        names.setdefault(reason, []).append(_shorten(each.name, 2 * NAME_LENGTH if few else NAME_LENGTH))
    named = "; ".join(
        f"{', '.join(those)}{': each ' if len(those) > 1 else ' '}{reason}" for reason, those in names.items()
    )
    more = f"; and {len(unusable) - MAX_NAMED:,} more" if len(unusable) > MAX_NAMED else ""
    number = f"{len(unusable):,} of {count:,}"
    return WorkError(f"{what} {printable(dataset)}: {number} images cannot be used: {named}{more}")


def centre_square(image: "Image") -> "Image":
    """Return the largest centred square."""
    width, height = image.size
    if width == height:
        return image
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def describe_transform(dataset: ImageDataset, image_size: int, channels: int) -> str:
    """Return a description of the transform of each image, which is part of the cache key."""
    colour = "grey" if channels == 1 else "RGB"
    resize = f"resize to {image_size}x{image_size} unless it is that already (PIL bilinear, antialiased)"
    return "; ".join(filter(None, (dataset.reading_description, colour, dataset.crop_description, resize)))


def upright(image: "Image") -> "Image":
    """Rotate a photograph by its EXIF orientation, if the EXIF data can be read."""
    from PIL import ImageOps

    image.load()  # rotates some formats already
    try:
        rotated = image.getexif().get(ORIENTATION, 1) not in (1, None)
    except Exception:  # the decoder of EXIF data raises almost anything
        return image
    return ImageOps.exif_transpose(image) if rotated else image


def on_white(image: "Image") -> "Image":
    """Compose an image that has transparency on white; return other images unchanged."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    drawn = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")


def to_pixels(image: "Image", dataset: ImageDataset, image_size: int, channels: int) -> np.ndarray:
    """Decode, convert, crop and resize one image.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened image; closed on return.
    dataset : ImageDataset
        Defines the crop.
    image_size : int
        Side of the result in pixels.
    channels : {1, 3}
        Grey or RGB.

    Returns
    -------
    numpy.ndarray
        uint8 of shape (channels, image_size, image_size).

    Raises
    ------
    ImageError
        If the data set does not accept the image; decoders raise errors of their own types.
    """
    from PIL import Image

    # closed to free the pixels
    with closing(image):
        if min(image.size) < 1:
            raise ImageError("has no pixels")
        if _is_deep(image):
            raise ImageError(f"has more than 8 bits a channel (mode {image.mode})")
        drawn = on_white(upright(image))
        square = dataset.crop(drawn.convert("L" if channels == 1 else "RGB"))
    if square.size != (image_size, image_size):
        square = square.resize((image_size, image_size), Image.Resampling.BILINEAR)
    pixels = np.asarray(square)
    return pixels[np.newaxis] if channels == 1 else pixels.transpose(2, 0, 1)


def to_array(
    pictures: Sequence[Picture], dataset: ImageDataset, image_size: int, channels: int
) -> tuple[np.ndarray, list[UnusableImage]]:
    """Turn some images into one array.

    Parameters
    ----------
    pictures : sequence of Picture
        The images.
    dataset, image_size, channels
        As for `to_pixels`.

    Returns
    -------
    tuple of numpy.ndarray and list of UnusableImage
        uint8 of shape (count, channels, image_size, image_size), and the unusable images, whose rows are
        undefined.
    """
    array = np.empty((len(pictures), channels, image_size, image_size), dtype=np.uint8)
    unusable = []
    for position, picture in enumerate(pictures):
        try:
            array[position] = to_pixels(picture.open(), dataset, image_size, channels)
        # for damaged files, decoders raise almost anything: OSError, SyntaxError, struct.error, zlib.error
        except Exception as error:
            unusable.append(UnusableImage(picture.name, describe_error(error)))
    return array, unusable


def _is_deep(image: "Image") -> bool:
    """Return whether the file of an image that is not yet decoded has more than 8 bits per channel."""
    if image.mode.startswith(DEEP_MODES):
        return True
    for codec, _, _, settings in getattr(image, "tile", ()):
        parts = settings if isinstance(settings, tuple | list) else (settings,)
        if any(isinstance(part, str) and DEEP_RAW_MODE.search(part) for part in parts):
            return True
        if codec.startswith("ppm") and any(isinstance(part, int) and part > 255 for part in parts):
            return True
    return False


def _shorten(name: str, length: int) -> str:
    """Return a name, or its end if it is long."""
    return name if len(name) <= length else f"...{name[3 - length :]}"


def _cut(reason: str, length: int) -> str:
    """Return a reason, or its beginning if it is long."""
    return reason if len(reason) <= length else f"{reason[: length - 3]}..."
