"""Convert an opened image of any kind to 8 bits of grey or RGB, upright and on white, by stated rules.

- Of an animation the first frame is used.
- EXIF's orientation turns the image upright; EXIF data that cannot be read turn nothing.
- Of 16 bits a channel (PNG and TIFF) the upper 8 are used.
- Transparent parts are drawn on white.
- Palettes are looked up; CMYK and YCbCr become RGB by Pillow's formulas, without colour profiles.
- Grey becomes RGB with three equal channels; RGB becomes grey by ITU-R 601-2, 0.299 R + 0.587 G + 0.114 B.

Images of other kinds, such as LAB, 32 bits a channel or floating-point numbers, are refused.
"""

import re
from typing import TYPE_CHECKING

import numpy as np

from bench.datasets.image_files import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

# What PIL says of files with more than 8 bits a channel: some it would clip, others cut without a word.
DEEP_MODES = ("I", "F")
DEEP_RAW_MODE = re.compile(r";16[A-Z]|;12")
# Those of which the upper 8 bits are used: PIL does so with colours and transparency, this module with grey.
UPPER_8_OF_16 = re.compile(r"I;16[BLN]?|(RGB|RGBA|RGBX|LA|CMYK);16[BLN]")
CONVERTED_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
ORIENTATION = 0x0112  # EXIF tag
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # TIFF tag, and its value that PIL ignores with 16 bits


def require_convertible(image: "Image") -> None:
    """Raise ImageError if there is no rule for an image; reads its header only.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened image, whose pixels are not yet decoded.
    """
    if min(image.size) < 1:
        raise ImageError("has no pixels")
    if _is_deep(image):
        if problem := _problem_of_depth(image):
            raise ImageError(f"has more than 8 bits a channel (mode {image.mode}){problem}")
    elif image.mode not in CONVERTED_MODES:
        raise ImageError(f"has colours of the kind {image.mode}, which are not converted")


def converted(image: "Image", channels: int) -> "Image":
    """Decode an image and convert it.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened image, whose pixels are not yet decoded.
    channels : {1, 3}
        Grey or RGB.

    Returns
    -------
    PIL.Image.Image
        Of mode L or RGB.

    Raises
    ------
    ImageError
        If there is no rule for the image; decoders raise errors of their own types.
    """
    require_convertible(image)
    return _on_white(_upright(_of_8_bits(image))).convert("L" if channels == 1 else "RGB")


def _is_deep(image: "Image") -> bool:
    """Return whether the file of an image that is not yet decoded has more than 8 bits per channel."""
    if image.mode.startswith(DEEP_MODES) or any(map(DEEP_RAW_MODE.search, _raw_modes(image))):
        return True
    # PPM: the number of levels is a setting of the codec
    return any(
        tile[0].startswith("ppm") and any(isinstance(part, int) and part > 255 for part in _settings(tile[3]))
        for tile in getattr(image, "tile", ())
    )


def _problem_of_depth(image: "Image") -> str:
    """Return why an image of more than 8 bits a channel is refused, after these words; empty if it is not."""
    raw = _raw_modes(image)
    if image.format not in ("PNG", "TIFF") or not raw or not all(map(UPPER_8_OF_16.fullmatch, raw)):
        return ", allowed are 16 in PNG and TIFF"
    if "transparency" in image.info:
        return " and a transparent colour"
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        return " and white as zero"
    return ""


def _raw_modes(image: "Image") -> list[str]:
    """Return how the file has the pixels of each part, by PIL's names: the first text of its settings."""
    every = (_settings(tile[3]) for tile in getattr(image, "tile", ()))
    return [next((part for part in settings if isinstance(part, str)), "") for settings in every]


def _settings(settings: object) -> tuple[object, ...]:
    return tuple(settings) if isinstance(settings, tuple | list) else (settings,)


def _of_8_bits(image: "Image") -> "Image":
    """Return an image of 16 bits of grey with the upper 8; others unchanged, which PIL decodes to 8 bits."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    image.load()  # before the EXIF data are asked for, which may come after the pixels
    grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    # a format that PIL turns upright itself has done so
    grey.info.update({key: image.info[key] for key in ("exif",) if key in image.info})
    return grey


def _upright(image: "Image") -> "Image":
    """Rotate a photograph by its EXIF orientation, if the EXIF data can be read."""
    from PIL import ImageOps

    image.load()  # rotates some formats already
    try:
        rotated = image.getexif().get(ORIENTATION, 1) not in (1, None)
    except Exception:  # the decoder of EXIF data raises almost anything
        return image
    return ImageOps.exif_transpose(image) if rotated else image


def _on_white(image: "Image") -> "Image":
    """Compose an image that has transparency on white; return other images unchanged."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    drawn = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
