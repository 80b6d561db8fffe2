"""Turn encoded images into arrays of bytes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.datasets.conversion import converted, require_convertible
from bench.datasets.crops import Crop
from bench.datasets.image_files import UnusableImage, describe_error
from bench.datasets.registry import ImageDataset, Picture
from bench.system.errors import WorkError, printable

if TYPE_CHECKING:
    from PIL.Image import Image

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


@dataclass(frozen=True)
class Transform:
    """From the images of a data set to arrays of one size.

    Attributes
    ----------
    dataset : ImageDataset
        Has the crop of the images unless there is another.
    image_size : int
        Side of the arrays in pixels.
    channels : {1, 3}
        Grey or RGB.
    crop : Crop or None
        Square that is cut out in place of the data set's own crop.
    """

    dataset: ImageDataset
    image_size: int
    channels: int
    crop: Crop | None = None

    @property
    def description(self) -> str:
        """The transform in words, which are part of the cache key."""
        size = self.image_size
        parts = (
            self.dataset.reading_description,
            "grey" if self.channels == 1 else "RGB",
            self.crop.description if self.crop else self.dataset.crop_description,
            f"resize to {size}x{size} unless it is that already (PIL bilinear, antialiased)",
        )
        return "; ".join(filter(None, parts))

    def to_pixels(self, image: "Image") -> np.ndarray:
        """Decode, convert, crop and resize one image.

        Parameters
        ----------
        image : PIL.Image.Image
            Opened image; closed on return.

        Returns
        -------
        numpy.ndarray
            uint8 of shape (channels, image_size, image_size).

        Raises
        ------
        ImageError
            If the image cannot be used; decoders raise errors of their own types.
        """
        from PIL import Image

        # closed to free the pixels
        with closing(image):
            drawn = converted(image, self.channels)
            square = self.crop.cut(drawn) if self.crop else self.dataset.crop(drawn)
        if square.size != (self.image_size, self.image_size):
            square = square.resize((self.image_size, self.image_size), Image.Resampling.BILINEAR)
        pixels = np.asarray(square)
        return pixels[np.newaxis] if self.channels == 1 else pixels.transpose(2, 0, 1)

    def to_array(self, pictures: Sequence[Picture]) -> tuple[np.ndarray, list[UnusableImage]]:
        """Turn some images into one array.

        Parameters
        ----------
        pictures : sequence of Picture
            The images.

        Returns
        -------
        tuple of numpy.ndarray and list of UnusableImage
            uint8 of shape (count, channels, image_size, image_size), and the unusable images, whose rows are
            undefined.
        """
        array = np.empty((len(pictures), self.channels, self.image_size, self.image_size), dtype=np.uint8)
        unusable = []
        for position, picture in enumerate(pictures):
            try:
                array[position] = self.to_pixels(picture.open())
            # of damaged files decoders raise almost anything: OSError, SyntaxError, struct.error, zlib.error
            except Exception as error:
                unusable.append(UnusableImage(picture.name, describe_error(error)))
        return array, unusable

    def read_headers(self, pictures: Sequence[Picture]) -> tuple[np.ndarray, list[UnusableImage]]:
        """Open some images without decoding them.

        Returns
        -------
        tuple of numpy.ndarray and list of UnusableImage
            An empty array of as many rows as images, and the images whose headers say that they are unusable.
        """
        unusable = []
        for picture in pictures:
            try:
                with closing(picture.open()) as image:
                    require_convertible(image)
                    if self.crop is not None:
                        _require_inside(self.crop, image)
            except Exception as error:  # as in `to_array`
                unusable.append(UnusableImage(picture.name, describe_error(error)))
        return np.empty((len(pictures), 0), dtype=np.uint8), unusable


def _require_inside(crop: Crop, image: "Image") -> None:
    """Raise ImageError if a crop is outside an image, whether EXIF turns it or not."""
    if not crop.fits((image.height, image.width)):
        crop.require_inside(image.size)


def _shorten(name: str, length: int) -> str:
    """Return a name, or its end if it is long."""
    return name if len(name) <= length else f"...{name[3 - length :]}"


def _cut(reason: str, length: int) -> str:
    """Return a reason, or its beginning if it is long."""
    return reason if len(reason) <= length else f"{reason[: length - 3]}..."
