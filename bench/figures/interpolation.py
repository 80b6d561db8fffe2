"""Images along paths between latents, and between the codes of real images."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from bench.figures.grid import tiled, to_bytes
from bench.figures.panels import draw_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_between_samples(images: Mapping[str, Tensor], title: str) -> "Figure":
    """Draw generated images along paths between latents, a block of rows per kind of path.

    Parameters
    ----------
    images : mapping of str to Tensor
        By the name of the path, float32 (rows, steps, C, H, W) in [-1, 1].
    title : str
        Title of the figure.
    """
    rows = [[_rows(paths)] for paths in images.values()]
    return draw_panels(
        rows, title, ["G(z), z from one sample's latent (left) to another's (right)"], [*images]
    )


def draw_between_reals(real: tuple[Tensor, Tensor], images: Mapping[str, Tensor], title: str) -> "Figure":
    """Draw decoded codes along paths between the codes of real images, with the real images at both sides.

    Parameters
    ----------
    real : tuple of Tensor
        The images at the starts and at the ends, float32 (rows, C, H, W) in [-1, 1] each.
    images : mapping of str to Tensor
        By the name of the path, float32 (rows, steps, C, H, W) in [-1, 1].
    title : str
        Title of the figure.
    """
    first, last = (tiled(to_bytes(side), 1) for side in real)
    rows = [[first, _rows(paths), last] for paths in images.values()]
    titles = ["real", "decoded, from the left image's code to the right one's", "real"]
    return draw_panels(rows, title, titles, [*images])


def _rows(paths: Tensor) -> np.ndarray:
    return tiled(to_bytes(paths.flatten(0, 1)), paths.shape[1])
