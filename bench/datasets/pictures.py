"""From an encoded image to the bytes of the array."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.datasets.registry import ImageDataset
from bench.errors import WorkError

if TYPE_CHECKING:
    from PIL.Image import Image

# PIL would clip or cut these to 8 bits without a word.
DEEP_MODES = ("I", "F")


def open_image(path: Path) -> "Image":
    """Open an image file; its pixels are decoded later.

    Raises
    ------
    WorkError
        If it is not an image.
    """
    from PIL import Image

    try:
        return Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise WorkError(f"{path} does not decode as an image: {_reason(error)}") from error


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
    return f"{colour}; {dataset.crop_words}; {resize}"


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
    ValueError
        If the image is not what the data set takes; decoders raise others of their own.
    """
    from PIL import Image

    with image:
        if image.mode.startswith(DEEP_MODES):
            raise ValueError(f"it has more than 8 bits a channel (mode {image.mode})")
        square = dataset.crop(image.convert("L" if channels == 1 else "RGB"))
    if square.size != (image_size, image_size):
        square = square.resize((image_size, image_size), Image.Resampling.BILINEAR)
    pixels = np.asarray(square)
    return pixels[np.newaxis] if channels == 1 else pixels.transpose(2, 0, 1)


def to_array(
    images: "list[Image]", first: int, dataset: ImageDataset, image_size: int, channels: int
) -> np.ndarray:
    """Turn some images into one uint8 array (count, channels, image_size, image_size).

    Parameters
    ----------
    images : list of PIL.Image.Image
        Opened images.
    first : int
        Place of the first of them in the data set, to name one that fails.
    dataset, image_size, channels
        As for `to_pixels`.

    Raises
    ------
    WorkError
        Names the image that does not decode.
    """
    array = np.empty((len(images), channels, image_size, image_size), dtype=np.uint8)
    for place, image in enumerate(images):
        where = getattr(image, "filename", "") or f"image {first + place} of {dataset.name}"
        try:
            array[place] = to_pixels(image, dataset, image_size, channels)
        # Decoders of damaged files raise nearly anything: OSError, SyntaxError, struct.error, zlib.error.
        except Exception as error:
            raise WorkError(f"{where} does not decode as an image: {_reason(error)}") from error
    return array


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
