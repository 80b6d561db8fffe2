"""From an encoded image to the bytes of the array."""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.datasets.image_files import NoImage, reason
from bench.datasets.registry import ImageDataset, Picture
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

# PIL would clip or cut these to 8 bits without a word.
DEEP_MODES = ("I", "F")
DEEP_RAW_MODE = re.compile(r";16[A-Z]|;12")
ORIENTATION = 0x0112  # of EXIF's tags

NAMED = 5  # images that a refusal names


@dataclass(frozen=True)
class Unusable:
    """An image that cannot be used.

    Attributes
    ----------
    name : str
        Its name, printable.
    reason : str
        Why, such as ``"is empty"``.
    """

    name: str
    reason: str


def refusal(dataset: str, unusable: Sequence[Unusable], count: int, at_least: bool = False) -> WorkError:
    """Build the error that tells of the images that cannot be used.

    Parameters
    ----------
    dataset : str
        The data set's name.
    unusable : sequence of Unusable
        At least one.
    count : int
        Images that the data set has.
    at_least : bool
        Whether there may be more of them.
    """
    named = "; ".join(f"{_end(each.name)} {each.reason}" for each in unusable[:NAMED])
    more = f"; and {len(unusable) - NAMED} more" if len(unusable) > NAMED else ""
    number = f"{'at least ' if at_least else ''}{len(unusable)} of {max(count, len(unusable))}"
    return WorkError(f"dataset {printable(dataset)}: {number} images cannot be used: {named}{more}")


def centre_square(image: "Image") -> "Image":
    """Cut the largest square out of the middle."""
    width, height = image.size
    if width == height:
        return image
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def transform_words(dataset: ImageDataset, image_size: int, channels: int) -> str:
    """Describe what is done to each image, in order; part of the cache's key."""
    colour = "grey" if channels == 1 else "RGB"
    resize = f"resize to {image_size}x{image_size} unless it is that already (PIL bilinear, antialiased)"
    return "; ".join(filter(None, (dataset.reading_words, colour, dataset.crop_words, resize)))


def upright(image: "Image") -> "Image":
    """Turn a photograph as its EXIF says; a damaged EXIF says nothing."""
    from PIL import ImageOps

    image.load()  # which turns some formats already
    try:
        turned = image.getexif().get(ORIENTATION, 1) not in (1, None)
    except Exception:  # its decoder raises nearly anything
        return image
    return ImageOps.exif_transpose(image) if turned else image


def on_white(image: "Image") -> "Image":
    """Lay an image that has transparent parts on white; others stay as they are."""
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
        Opened; closed on return.
    dataset : ImageDataset
        Decides the crop.
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
    NoImage
        If the image is not what the data set takes; decoders raise others of their own.
    """
    from PIL import Image

    # closed, since an open image keeps its pixels
    with closing(image):
        if min(image.size) < 1:
            raise NoImage("has no pixels")
        if _is_deep(image):
            raise NoImage(f"has more than 8 bits a channel (mode {image.mode})")
        drawn = on_white(upright(image))
        square = dataset.crop(drawn.convert("L" if channels == 1 else "RGB"))
    if square.size != (image_size, image_size):
        square = square.resize((image_size, image_size), Image.Resampling.BILINEAR)
    pixels = np.asarray(square)
    return pixels[np.newaxis] if channels == 1 else pixels.transpose(2, 0, 1)


def to_array(
    pictures: Sequence[Picture], dataset: ImageDataset, image_size: int, channels: int
) -> tuple[np.ndarray, list[Unusable]]:
    """Turn some images into one array.

    Parameters
    ----------
    pictures : sequence of Picture
        The images.
    dataset, image_size, channels
        As for `to_pixels`.

    Returns
    -------
    tuple of numpy.ndarray and list of Unusable
        uint8 of shape (count, channels, image_size, image_size), and the images whose rows are undefined.
    """
    array = np.empty((len(pictures), channels, image_size, image_size), dtype=np.uint8)
    unusable = []
    for place, picture in enumerate(pictures):
        try:
            array[place] = to_pixels(picture.open(), dataset, image_size, channels)
        # Decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error, zlib.error.
        except Exception as error:
            unusable.append(Unusable(picture.name, reason(error)))
    return array, unusable


def _is_deep(image: "Image") -> bool:
    """Whether an image that is not yet decoded has more than 8 bits per channel in its file."""
    if image.mode.startswith(DEEP_MODES):
        return True
    for codec, _, _, settings in getattr(image, "tile", ()):
        parts = settings if isinstance(settings, tuple | list) else (settings,)
        if any(isinstance(part, str) and DEEP_RAW_MODE.search(part) for part in parts):
            return True
        if codec.startswith("ppm") and any(isinstance(part, int) and part > 255 for part in parts):
            return True
    return False


def _end(name: str, most: int = 80) -> str:
    return name if len(name) <= most else f"...{name[3 - most :]}"
