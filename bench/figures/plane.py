"""Figures of points in the plane: generated over real ones, and the error of reconstructions everywhere."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.figures import style
from bench.figures.missing_bins import FilledBins
from bench.figures.points import LIMIT, within_axes
from bench.judging.bins import significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 240  # points along each axis at which the error is computed
RANGE = 1e3  # of the colours: errors below the largest one divided by this have one colour
TICKS = (-1, -0.5, 0, 0.5, 1)
DARKEST = 0.5  # part of the greys that the colours use: points stay visible on it
REAL_GREY = "#999999"


def places() -> np.ndarray:
    """Return the points at which the error is computed, float32 (ACROSS * ACROSS, 2).

    Rows are in rising order, and each runs from the left.
    """
    ends = (np.arange(ACROSS) + 0.5) / ACROSS * 2 * LIMIT - LIMIT
    column, row = np.meshgrid(ends, ends)
    return np.stack([column.ravel(), row.ravel()], axis=1).astype(np.float32)


def draw_overlay(real: Tensor, generated: Tensor, centres: np.ndarray | None, title: str) -> "Figure":
    """Draw generated points over real ones.

    Parameters
    ----------
    real, generated : Tensor
        float32 (N, 2).
    centres : numpy.ndarray or None
        Of the known modes, float64 (modes, 2).
    title : str
        Title of the figure.
    """
    with style.styled():
        figure = style.blank(4.6, 4.9, layout="constrained")
        axis = figure.subplots()
        _cross(axis, centres)
        _dots(axis, real, REAL_GREY, "real", 9, 3)
        _dots(axis, generated, style.BLUE, "generated", 3, 4)
        _finish(figure, axis, title)
    return figure


def draw_landscape(
    error: np.ndarray,
    real: Tensor,
    generated: Tensor,
    centres: np.ndarray | None,
    title: str,
    reconstruction: str = "D(x)",
) -> "Figure":
    """Draw as colours how far the reconstruction of every point of the plane lies from it, and samples.

    Parameters
    ----------
    error : numpy.ndarray
        The length of x - D(x), or of another reconstruction, at each of :func:`places`.
    real, generated : Tensor
        float32 (N, 2).
    centres : numpy.ndarray or None
        Of the known modes, float64 (modes, 2).
    title : str
        Title of the figure.
    reconstruction : str
        How a reconstruction is written.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    with style.styled():
        figure = style.blank(5.3, 4.9, layout="constrained")
        axis = figure.subplots()
        axis.grid(visible=False)
        most = float(error.max())
        least = max(float(error.min()), most / RANGE)
        norm = LogNorm(least, most) if 0 < least < most else None
        image = axis.imshow(
            error.reshape(ACROSS, ACROSS),
            extent=(-LIMIT, LIMIT, -LIMIT, LIMIT),
            origin="lower",
            cmap=ListedColormap(colormaps["Greys"](np.linspace(0, DARKEST, 256))),
            norm=norm,
            interpolation="bilinear",
        )
        bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.02)
        bar.set_label(f"distance of a point x to its reconstruction: |x - {reconstruction}|")
        _cross(axis, centres)
        _dots(axis, real, style.VERMILION, "real", 6, 3)
        _dots(axis, generated, style.BLUE, "generated", 3, 4)
        _finish(figure, axis, title)
    return figure


def draw_missing(filled: FilledBins, title: str) -> "Figure":
    """Draw the bins that hold significantly fewer generated than real points, over both kinds of points.

    Parameters
    ----------
    filled : FilledBins
        Bins of points in the plane.
    title : str
        Title of the figure.
    """
    missing = [number for number in filled.missing if significant(filled.deviations)[number]]
    with style.styled():
        figure = style.blank(4.6, 5.1, layout="constrained")
        axis = figure.subplots()
        _dots(axis, torch.from_numpy(filled.real), REAL_GREY, "real", 9, 3)
        _dots(axis, torch.from_numpy(filled.generated), style.BLUE, "generated", 3, 4)
        if missing:
            across, down = within_axes(filled.bins.centres[missing]).T
            label = f"centre of a bin with too few ({len(missing)})"
            axis.plot(across, down, "x", color=style.VERMILION, markersize=4, label=label, zorder=5)
        _finish(figure, axis, f"{title}\n{filled.summary}")
    return figure


def _dots(axis: "Axes", points: Tensor, colour: str, name: str, size: float, order: int) -> None:
    across, down = within_axes(points.numpy()).T
    axis.scatter(
        across,
        down,
        s=size,
        color=colour,
        linewidths=0,
        alpha=0.6,
        label=f"{name} ({len(points):,})",
        zorder=order,
        rasterized=True,  # thousands of dots would make a large SVG
    )


def _cross(axis: "Axes", centres: np.ndarray | None) -> None:
    if centres is not None:
        across, down = centres.T
        label = "centre of a mode"
        axis.plot(across, down, "+", color="black", markersize=10, markeredgewidth=0.6, label=label, zorder=2)


def _finish(figure: "Figure", axis: "Axes", title: str) -> None:
    axis.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), aspect="equal", xticks=TICKS, yticks=TICKS)
    figure.legend(loc="outside lower center", ncols=3, markerscale=1.5)
    axis.set_title(title, fontsize="large")
