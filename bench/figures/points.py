"""Points in the plane as a plain PNG file: the sample pictures of a run, drawn in a tenth of a second."""

from pathlib import Path

import numpy as np
from torch import Tensor

from bench.figures.grid import read_png
from bench.figures.style import BLUE
from bench.system.atomic_files import replacing
from bench.system.errors import WorkError

LIMIT = 1.1  # of both axes, on either side of 0; a point beyond is drawn at the edge
SIDE = 600  # pixels of a picture
LINES = (-1.0, -0.5, 0.0, 0.5, 1.0)
LINE_GREY, FRAME_GREY = 228, 170
RADIUS = 1.5  # of a point, in pixels
OPACITY = 0.5  # of a point: many points together have the full colour
ARM = 11  # pixels of a cross on either side of its middle


def within_axes(points: np.ndarray) -> np.ndarray:
    """Return the points, those beyond the axes moved to the edge."""
    return np.clip(points, -LIMIT, LIMIT)


def save_points(points: Tensor, path: Path, centres: np.ndarray | None = None) -> None:
    """Save points as one square PNG, with the centres of known modes as crosses.

    Parameters
    ----------
    points : Tensor
        float32 (N, 2), finite.
    path : Path
        The PNG file.
    centres : numpy.ndarray, optional
        float64 (modes, 2).
    """
    from PIL import Image

    sheet = _ruled()
    if centres is not None:
        _cross(sheet, _pixels(centres))
    shade = _shade(_pixels(points.detach().cpu().numpy().astype(np.float64)))[:, :, None]
    colour = np.array([int(BLUE[place : place + 2], 16) for place in (1, 3, 5)])
    picture = Image.fromarray(((1 - shade) * sheet + shade * colour).round().astype(np.uint8))
    with replacing(path) as aside:
        picture.save(aside, format="PNG")


def read_points(path: Path) -> np.ndarray:
    """Read a picture that :func:`save_points` wrote, at half its size: uint8 (SIDE / 2, SIDE / 2, 3).

    Each pixel is the darkest of four, so that dots and crosses stay visible.

    Raises
    ------
    WorkError
        If the file cannot be read or holds no such picture.
    """
    sheet = read_png(path)
    if sheet.shape != (SIDE, SIDE, 3):
        raise WorkError(f"{path} is no picture of points")
    quarters = sheet.reshape(SIDE // 2, 2, SIDE // 2, 2, 3)
    return quarters.min(axis=(1, 3))


def _pixels(points: np.ndarray) -> np.ndarray:
    """Return columns and rows of points, float64 (N, 2); the second coordinate grows upwards."""
    column, row = within_axes(points).T
    return (np.stack([column, -row], axis=1) + LIMIT) / (2 * LIMIT) * (SIDE - 1)


def _ruled() -> np.ndarray:
    """Return a white sheet with lines and a frame, float64 (SIDE, SIDE, 3)."""
    sheet = np.full((SIDE, SIDE, 3), 255.0)
    places = _pixels(np.array([(at, -at) for at in LINES])).round().astype(int)
    sheet[places[:, 1]] = LINE_GREY
    sheet[:, places[:, 0]] = LINE_GREY
    sheet[[0, -1]] = FRAME_GREY
    sheet[:, [0, -1]] = FRAME_GREY
    return sheet


def _shade(places: np.ndarray) -> np.ndarray:
    """Return the opacity of discs at these places in each pixel, from 0 to 1: float64 (SIDE, SIDE)."""
    reach = np.arange(-int(RADIUS) - 1, int(RADIUS) + 2)
    offsets = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    near = places.round().astype(int)[:, None] + offsets
    apart = np.linalg.norm(near - places[:, None], axis=-1)
    hidden = OPACITY * np.clip(RADIUS + 0.5 - apart, 0, 1)
    inside = ((near >= 0) & (near < SIDE)).all(axis=-1)
    column, row = near[inside].T
    seen = np.ones((SIDE, SIDE))
    np.multiply.at(seen, (row, column), 1 - hidden[inside])
    return 1 - seen


def _cross(sheet: np.ndarray, places: np.ndarray) -> None:
    """Draw black crosses, over which the points are drawn."""
    for column, row in places.round().astype(int):
        sheet[max(row - ARM, 0) : row + ARM + 1, column] = 0
        sheet[row, max(column - ARM, 0) : column + ARM + 1] = 0
