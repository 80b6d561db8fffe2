"""Axes of a study's figures: searched values across, objectives up, log where that is right."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullLocator
from optuna.trial import FrozenTrial
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay, QhullError

from bench.searching.space import Dimension

Look: TypeAlias = dict[str, Any]  # keyword arguments of matplotlib
Share = TypeVar("Share", float, np.ndarray)

WIDE_SPAN = 20  # values that span more than this factor get a log axis
LEAST_FOR_SURFACE = 10  # trials
GRID = 160  # points of a surface along each side
SMOOTHING = 0.1  # of a surface, because the searched values outside the pair vary too
LETTER = 0.07  # width of a title's letter in inches
MOST_LEVEL = 24  # letters of all choices together; more are written at an angle
FONT_SIZE = 7  # of names beside points
STEPS = [1, 2, 2.5, 5, 10]  # between ticks
JITTER = 0.3  # spread of trials with the same choice


def is_wide(values: Sequence[float]) -> bool:
    """Whether values span so much that they need a log axis."""
    return min(values) > 0 and max(values) > WIDE_SPAN * min(values)


def colours(reverse: bool = False) -> Colormap:
    """Return viridis without its yellow end, which is too pale on white."""
    shades = colormaps["viridis"](np.linspace(0, 0.88, 256))
    return ListedColormap(shades[::-1] if reverse else shades)


def without_worst(values: Sequence[float], low_is_good: bool) -> list[float]:
    """Clip the worst tenth of values, so that one outlier does not use up all colours."""
    if len(values) < LEAST_FOR_SURFACE:
        return list(values)
    if low_is_good:
        return [float(value) for value in np.minimum(values, np.quantile(values, 0.9, method="lower"))]
    return [float(value) for value in np.maximum(values, np.quantile(values, 0.1, method="higher"))]


def norm_of(values: Sequence[float]) -> Normalize:
    """Return the colour scale for values."""
    return (LogNorm if is_wide(values) else Normalize)(min(values), max(values))


def name_of(axis: Axis) -> str:
    """Return ``x`` or ``y``."""
    return "x" if axis is axis.axes.xaxis else "y"


def scale(axis: Axis, values: Sequence[float]) -> None:
    """Make an axis log if its values span much."""
    if values and is_wide(values):
        getattr(axis.axes, f"set_{name_of(axis)}scale")("log")
        log_ticks(axis, min(values), max(values))


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Put a few plain numbers on a log axis."""
    decades = math.log10(high / low)
    axis.set_major_formatter("{x:g}")
    if decades < 0.8:
        axis.set_major_locator(MaxNLocator(4, steps=STEPS))
    elif decades < 2.2:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 1.7 else (1, 3)))
    else:
        axis.set_major_locator(LogLocator())
        axis.set_major_formatter(LogFormatterSciNotation())
    axis.set_minor_locator(NullLocator())


def range_ticks(axis: Axis, dimension: Dimension) -> None:
    """Give an axis the range and ticks of a searched value."""
    name = name_of(axis)
    set_limits = getattr(axis.axes, f"set_{name}lim")
    if dimension.kind == "choice":
        names = [str(choice) for choice in dimension.choices]
        slanted: Look = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        many = name == "x" and sum(map(len, names)) > MOST_LEVEL
        axis.set_ticks(range(len(names)), names, **(slanted if many else {}))
        set_limits(-0.5, len(names) - 0.5)
        return
    if dimension.scale == "log":
        getattr(axis.axes, f"set_{name}scale")("log")
        log_ticks(axis, dimension.low, dimension.high)
    else:
        axis.set_major_locator(MaxNLocator(4, steps=STEPS, integer=dimension.kind == "int"))
    # a little room, so that trials at the ends of the range are visible
    low, high = (from_unit(dimension, share) for share in (-0.04, 1.04))
    set_limits(low, high)


def from_unit(dimension: Dimension, share: Share) -> Share:
    """Return the value at a fraction of a range, on the range's scale."""
    if dimension.scale == "log":
        return dimension.low * (dimension.high / dimension.low) ** share
    return dimension.low + (dimension.high - dimension.low) * share


def to_unit(dimension: Dimension, values: np.ndarray) -> np.ndarray:
    """Return the fraction of a range at which values lie, on the range's scale."""
    if dimension.scale == "log":
        return np.log(values / dimension.low) / math.log(dimension.high / dimension.low)
    return (values - dimension.low) / (dimension.high - dimension.low)


def places_of(trials: Sequence[FrozenTrial], dimension: Dimension) -> np.ndarray:
    """Return the trials' coordinates on the axis of a searched value."""
    if dimension.kind != "choice":
        return np.array([trial.params[dimension.name] for trial in trials], float)
    # the golden ratio spreads any run of trial numbers evenly
    spread = [JITTER * (trial.number * 0.618034 % 1 - 0.5) for trial in trials]
    return np.array([dimension.choices.index(trial.params[dimension.name]) for trial in trials]) + spread


def draw_surface(
    axis: Axes,
    trials: Sequence[FrozenTrial],
    values: Sequence[float],
    pair: tuple[Dimension, Dimension],
    norm: Normalize,
    shades: Colormap,
) -> None:
    """Draw a pale smooth surface through values, inside the trials' convex hull.

    Draws nothing if there are too few trials or one of the pair is a choice.
    """
    if len(trials) < LEAST_FOR_SURFACE or any(dimension.kind == "choice" for dimension in pair):
        return

    known = np.stack([to_unit(dimension, places_of(trials, dimension)) for dimension in pair], 1)
    ends = np.linspace(0, 1, GRID)
    points = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    heights = np.log(values) if is_wide(values) else np.array(values)
    try:
        surface = RBFInterpolator(known, heights, smoothing=SMOOTHING)(points)
        outside = Delaunay(known).find_simplex(points) < 0
    except (np.linalg.LinAlgError, QhullError):  # all trials on one line
        return
    surface = np.clip(surface, heights.min(), heights.max())
    surface = np.ma.masked_array(surface, outside).reshape(GRID, GRID)
    x, y = (from_unit(dimension, ends) for dimension in pair)
    levels = np.linspace(heights.min(), heights.max(), 9)
    if not levels[0] < levels[-1]:
        return
    if is_wide(values):
        surface, levels = np.exp(surface), np.exp(levels)
    axis.contourf(x, y, surface, levels, cmap=shades, norm=norm, alpha=0.35, extend="both", zorder=0)


def draw_pairs(
    axis: Axes, trials: Sequence[FrozenTrial], pair: tuple[Dimension, Dimension], **look: Any
) -> None:
    """Draw trials by two searched values."""
    if trials:
        axis.scatter(*(places_of(trials, dimension) for dimension in pair), **look)


def draw_title(figure: Figure, name: str, text: str) -> None:
    """Write the study's name and a description as the title, on two lines if needed."""
    letters = len(name) + 2 + max(map(len, text.split("\n")))
    figure.suptitle(f"{name}:{' ' if letters * LETTER < figure.get_figwidth() else chr(10)}{text}")


def draw_legend(figure: Figure, axis: Axes) -> None:
    """Draw one legend below the figure, with each label once."""
    handles, labels = axis.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=5)


def name_points(
    figure: Figure, axis: Axes, points: Mapping[str, tuple[float, float]], towards: Sequence[int]
) -> None:
    """Write names beside points; of names that would overlap only the first is written.

    Parameters
    ----------
    figure : Figure
        The figure, with everything else drawn, because positions on it are needed.
    axis : Axes
        Of the figure.
    points : mapping
        Name to x and y.
    towards : sequence of int
        -1 for left, 1 for right; -1 for down, 1 for up.
    """
    figure.draw_without_rendering()
    taken: list[np.ndarray] = []
    letter = FONT_SIZE / 72 * figure.dpi
    for name, point in points.items():
        place = axis.transData.transform(point)
        if any((np.abs(place - other) < (letter * 0.7 * len(name), letter)).all() for other in taken):
            continue
        taken.append(place)
        axis.annotate(
            name,
            point,
            (3 * towards[0], 3 * towards[1]),
            textcoords="offset points",
            fontsize=FONT_SIZE,
            ha="right" if towards[0] < 0 else "left",
            va="top" if towards[1] < 0 else "bottom",
        )
