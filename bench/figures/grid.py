"""Grids of images as plain PNG files: the sample grids of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.datasets.image_files import PNG, describe_error, open_image
from bench.system.atomic_files import replacing
from bench.system.errors import RequestError, WorkError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN = 2  # pixels between the images of a grid
SCALE = 2  # of a run's sample grids
LABEL_HEIGHT = 16  # pixels that the label of a row needs


def check_png(path: Path) -> None:
    """Refuse a file of another format before any work is done.

    Raises
    ------
    RequestError
        If the suffix is not .png.
    """
    if path.suffix != ".png":
        raise RequestError(f"{shown(str(path))} names no PNG file: the allowed suffix is .png")


def to_bytes(images: Tensor) -> np.ndarray:
    """Convert images (N, C, H, W) in [-1, 1] to uint8 (N, H, W, C), rounded and clamped as in files."""
    values = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()
    return values.permute(0, 2, 3, 1).numpy()


def tiled(images: np.ndarray, columns: int) -> np.ndarray:
    """Arrange images uint8 (N, H, W, C) row by row on a white sheet, with margins around each."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    high, wide = height + MARGIN, width + MARGIN
    sheet = np.full((rows * high + MARGIN, columns * wide + MARGIN, channels), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * high + MARGIN, index % columns * wide + MARGIN
        sheet[top : top + height, left : left + width] = image
    return sheet


def save_grid(
    images: Tensor,
    path: Path,
    columns: int = 10,
    scale: int = SCALE,
    row_labels: Sequence[str] = (),
) -> None:
    """Save images as one PNG, row by row.

    Parameters
    ----------
    images : Tensor
        float32 (N, C, H, W) in [-1, 1], C 1 or 3.
    path : Path
        The PNG file.
    columns : int
        Images per row.
    scale : int
        Each pixel becomes scale x scale.
    row_labels : sequence of str
        Written left of the rows if they are high enough for text; :func:`read_grid` reads grids without them.
    """
    from PIL import Image

    sheet = tiled(to_bytes(images), columns)
    image = Image.fromarray(sheet[:, :, 0] if sheet.shape[2] == 1 else sheet)
    scaled = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    if row_labels and scale * (images.shape[2] + MARGIN) >= LABEL_HEIGHT:
        scaled = _labelled(scaled, row_labels, scale * (images.shape[2] + MARGIN))
    with replacing(path) as aside:
        scaled.save(aside, format="PNG")


def _labelled(grid: "Image", row_labels: Sequence[str], step: int) -> "Image":
    """Return a grid with a text left of each row; rows are `step` pixels apart."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(LABEL_HEIGHT - 2 * MARGIN)
    width = max(round(font.getlength(label)) for label in row_labels) + 4 * MARGIN
    sheet = Image.new(grid.mode, (grid.width + width, grid.height), "white")
    sheet.paste(grid, (width, 0))
    draw = ImageDraw.Draw(sheet)
    for row, label in enumerate(row_labels):
        place = (width - 2 * MARGIN, row * step + step // 2)
        draw.text(place, label, fill="black", font=font, anchor="rm")
    return sheet


def read_png(path: Path) -> np.ndarray:
    """Read the pixels of a PNG file.

    Raises
    ------
    WorkError
        If it cannot be read as one.
    """
    try:
        with open_image(path, PNG) as image:
            return np.asarray(image)
    except Exception as error:  # a damaged file raises nearly any exception
        raise WorkError(f"{path} cannot be read: it {describe_error(error)}") from error


def read_grid(path: Path, image_size: int, scale: int = SCALE) -> np.ndarray:
    """Read the images of a grid that :func:`save_grid` wrote.

    Parameters
    ----------
    path : Path
        The PNG file.
    image_size : int
        Side of an image in pixels.
    scale : int
        The scale with which the grid was saved.

    Returns
    -------
    numpy.ndarray
        uint8 (rows, columns, H, W, C), the exact bytes that were saved; white where the last row is short.

    Raises
    ------
    WorkError
        If the file cannot be read or holds no such grid.
    """
    sheet = read_png(path)[::scale, ::scale]
    step = image_size + MARGIN
    height, width = sheet.shape[:2]
    if height <= MARGIN or (height - MARGIN) % step or width <= MARGIN or (width - MARGIN) % step:
        raise WorkError(f"{path} is no grid of images of {image_size} pixels")
    sheet = sheet.reshape(height, width, -1)[MARGIN:, MARGIN:]
    rows, columns = sheet.shape[0] // step, sheet.shape[1] // step
    cells = sheet.reshape(rows, step, columns, step, -1).swapaxes(1, 2)
    return np.ascontiguousarray(cells[:, :, :image_size, :image_size])
