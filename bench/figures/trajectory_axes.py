"""What figures of trajectories share: labels and scales of axes, and curves of few points."""

from typing import TYPE_CHECKING

import numpy as np

from bench.judging.metrics.classes import CLASSES_COVERED
from bench.judging.metrics.modes import MODES_COVERED
from variants.scalars import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = "shares"
LABELS = {CLASSES_COVERED: "classes covered", MODES_COVERED: "modes covered", SHARES: "share"}
COUNTS = MODES_COVERED, CLASSES_COVERED
MOST_POINTS = 1000  # of a curve in a file: a million steps would make an SVG that nobody can open


def describe_metric_axis(axis: "Axes", name: str) -> None:
    """Set the label and the scale of an axis of metrics: counts and shares from 0, the distance in logs.

    Parameters
    ----------
    axis : Axes
        Has its curves already.
    name : str
        One of :data:`LABELS`, or the name of the run's Fréchet distance.
    """
    if name in LABELS:
        axis.set_ylabel(f"{LABELS[name]}\n(higher is better)")
        axis.set_ylim(0, 1.06 * axis.get_ylim()[1])
    else:
        axis.set_ylabel(f"Fréchet distance\n{name}\n(lower is better)")
        # distances fall by orders of magnitude in the first steps
        _scale_log(axis)


def describe_scalar_axis(axis: "Axes", panel: Panel) -> None:
    """Set the label, the scale and the lower end of an axis of scalars, as their panel says."""
    axis.set_ylabel(panel.label)
    if panel.scale == "log":
        _scale_log(axis)
    if panel.floor is not None:
        axis.set_ylim(bottom=panel.floor)


def shown_by(panel: Panel, values: np.ndarray) -> np.ndarray:
    """Return which values an axis can show: finite ones, on a log scale positive ones; bool, as `values`."""
    finite = np.isfinite(values)
    return finite & (values > 0) if panel.scale == "log" else finite


def _scale_log(axis: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def extremes(values: np.ndarray, most: int) -> np.ndarray:
    """Return the indices of at most `most` values that keep a curve's outline: the extremes of each stretch.

    Parameters
    ----------
    values : numpy.ndarray
        A series (N,).
    most : int
        At least 2.

    Returns
    -------
    numpy.ndarray
        int64, rising; all indices where there are no more than `most` values.
    """
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(int)
    pairs = [
        (start + int(np.argmin(values[start:stop])), start + int(np.argmax(values[start:stop])))
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]
    return np.unique(np.array(pairs))
