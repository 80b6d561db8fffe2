"""The part of every image that is used, as the user names it: ``centre:N`` or ``box:x,y,w,h``."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.datasets.image_files import ImageError
from bench.system.errors import RequestError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

CENTRE = re.compile(r"centre:([0-9]{1,6})", re.ASCII)
BOX = re.compile(r"box:([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6}),([0-9]{1,6})", re.ASCII)
ALLOWED = "centre:N, or box:x,y,w,h with w = h (pixels from the left and the top, then the sides), or none"


@dataclass(frozen=True)
class Crop:
    """A square of pixels in every image, upright as it is seen.

    Attributes
    ----------
    text : str
        What the user typed.
    side : int
        Width and height, at least 1.
    corner : tuple of int or None
        Left and top, from 0; None for a square in the centre.
    """

    text: str
    side: int
    corner: tuple[int, int] | None

    @property
    def description(self) -> str:
        """The square in words, for the description of the transform."""
        if self.corner is None:
            return f"centre {self.side}x{self.side}"
        (left, top), side = self.corner, self.side
        return f"rows {top}-{top + side}, columns {left}-{left + side}"

    def fits(self, size: tuple[int, int]) -> bool:
        """Return whether an image of that width and height has the whole square."""
        left, top = self.corner or (0, 0)
        return left + self.side <= size[0] and top + self.side <= size[1]

    def require_inside(self, size: tuple[int, int]) -> None:
        """Raise ImageError if an image of that width and height does not have the whole square."""
        if not self.fits(size):
            raise ImageError(f"is {size[0]}x{size[1]}: crop {self.text} does not lie inside")

    def cut(self, image: "Image") -> "Image":
        """Return the square; ImageError if it is not wholly inside the image."""
        self.require_inside(image.size)
        if self.corner is None:
            left, top = ((length - self.side) // 2 for length in image.size)
        else:
            left, top = self.corner
        return image.crop((left, top, left + self.side, top + self.side))


def parse_crop(text: str | None) -> Crop | None:
    """Return the crop that a text names; None for None.

    Raises
    ------
    RequestError
        If the text is neither ``centre:N`` nor ``box:x,y,w,h``, a side is 0, or the box is no square.
    """
    if text is None:
        return None
    corner = None
    if match := CENTRE.fullmatch(text):
        side = int(match[1])
    elif match := BOX.fullmatch(text):
        left, top, side, height = map(int, match.groups())
        corner = (left, top)
        if side != height:
            raise RequestError(f"crop {shown(text)}: the box is {side}x{height}, images are square")
    else:
        raise RequestError(f"crop {shown(text)} is not possible: allowed is {ALLOWED}")
    if side < 1:
        raise RequestError(f"crop {shown(text)} has no pixels: allowed is {ALLOWED}")
    return Crop(text, side, corner)
