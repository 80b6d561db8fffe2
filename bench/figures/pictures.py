"""Samples, images or points, as one plain PNG file."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from bench.datasets import KnownModes
from bench.figures.grid import save_grid
from bench.figures.points import save_points


def save_samples(
    samples: Tensor,
    path: Path,
    modes: KnownModes | None = None,
    columns: int = 10,
    row_labels: Sequence[str] = (),
) -> None:
    """Save a grid of images, or a picture of points.

    Parameters
    ----------
    samples : Tensor
        Images (N, C, H, W) or points (N, 2).
    path : Path
        The PNG file.
    modes : KnownModes, optional
        Known modes whose centres are marked among points.
    columns : int
        Images per row.
    row_labels : sequence of str
        Left of the rows of images.
    """
    if samples.dim() == 2:
        save_points(samples, path, None if modes is None else modes.centres)
    else:
        save_grid(samples, path, columns, row_labels=row_labels)
