"""Figures of a study: the value of each trial, importances, and where good values lie.

Optuna's own matplotlib figures show neither pruned trials nor the trial with the default values, are hard to
read with dozens of trials (one legend entry per trial, overlapping labels), and cover a fixed grey style.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial, TrialState

from bench.figures import style
from bench.searching.figure_axes import (
    Look,
    colours,
    draw_legend,
    draw_pairs,
    draw_surface,
    draw_title,
    name_points,
    norm_of,
    places_of,
    range_ticks,
    scale,
    without_worst,
)
from bench.searching.plan import StudyPlan
from bench.searching.space import Dimension
from bench.searching.summary import StudySummary

PANELS_PER_ROW = 4
LEAST_WIDTH = 4  # inches, so that the titles have room
MOST_PAIRED = 3  # searched values whose pairs are drawn
LEAST_PAIRED = 4  # complete trials; fewer show nothing in pairs
LEAST_COLOURED = 4  # complete trials; among fewer a scale of colours shows no course

GREY = "#8c8c8c"
PRUNED = "pruned: value of an earlier step"
DOT: Look = {"marker": "o", "s": 18, "linewidths": 0, "zorder": 3, "clip_on": False}
CROSS: Look = {"color": GREY, "marker": "x", "s": 14, "linewidths": 0.9, "zorder": 2}
RING: Look = {"facecolors": "none", "linewidths": 1.3, "zorder": 5, "clip_on": False}
BEST: Look = RING | {"edgecolors": style.VERMILION, "marker": "o", "s": 60, "label": "best"}
DEFAULT: Look = RING | {"edgecolors": "black", "marker": "s", "s": 50, "label": "default"}
# a text above an axis
ABOVE: Look = {"ha": "center", "va": "bottom", "fontsize": 7.5, "textcoords": "offset points"}


@dataclass(frozen=True)
class FigureData:
    """Trials to draw.

    Attributes
    ----------
    summary : StudySummary
        The study's summary.
    complete, pruned : list of FrozenTrial
        Trials with finite values, ordered by number.
    """

    summary: StudySummary
    complete: list[FrozenTrial]
    pruned: list[FrozenTrial]

    @property
    def plan(self) -> StudyPlan:
        """The study."""
        return self.summary.plan

    def best(self, place: int) -> list[FrozenTrial]:
        """The best trial in one objective, if there is any."""
        goal = self.plan.goals[place]
        sign = 1 if goal.direction == "minimize" else -1
        return sorted(self.complete, key=lambda trial: sign * trial.values[place])[:1]

    def default(self) -> list[FrozenTrial]:
        """The trial with the default values, if it has a value."""
        found = self.summary.default
        return [trial for trial in (*self.complete, *self.pruned) if found and trial.number == found.number]

    def values(self, place: int) -> list[float]:
        """All drawn values of an objective."""
        return [value_of(trial, place) for trial in (*self.complete, *self.pruned)]


def draw_study(study: optuna.Study, summary: StudySummary, folder: Path) -> list[Path]:
    """Draw a study, each figure as PNG and SVG; figures that need more trials are left out.

    ``history``, ``importances``, ``slices``, ``contours``, ``intermediate`` (of a single objective) and
    ``front`` (of two).

    Parameters
    ----------
    study : optuna.Study
        The study, at any stage.
    summary : StudySummary
        The study's summary.
    folder : Path
        Folder of the figures; created if needed.

    Returns
    -------
    list of Path
        Paths of the files.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    complete = [t for t in trials if t.state == TrialState.COMPLETE and all(map(math.isfinite, t.values))]
    pruned = [t for t in trials if t.state == TrialState.PRUNED and _last_point(t) is not None]
    data = FigureData(summary, complete, [] if summary.is_several else pruned)
    files = []
    with style.styled():
        for name, draw in FIGURES.items():
            figure = draw(data)
            if figure is not None:
                files += style.save(figure, folder / name)
    return files


def value_of(trial: FrozenTrial, place: int) -> float:
    """Return a complete trial's value, or the last finite value that a pruned trial reported."""
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[place])
    point = _last_point(trial)
    assert point is not None
    return float(trial.intermediate_values[point])


def draw_history(data: FigureData) -> Figure | None:
    """Draw the value of each trial and the best so far; pruned trials with their value of an earlier step."""
    if not data.complete and not data.pruned:
        return None
    goals = data.plan.goals
    figure = style.blank(7, 2.6 * len(goals) + 0.6, layout="constrained")
    axes = figure.subplots(len(goals), 1, sharex=True, squeeze=False)[:, 0]
    last = max(trial.number for trial in (*data.complete, *data.pruned))
    for place, (axis, goal) in enumerate(zip(axes, goals, strict=True)):
        if data.complete:
            numbers = [trial.number for trial in data.complete]
            best = (np.minimum if goal.direction == "minimize" else np.maximum).accumulate(
                [value_of(trial, place) for trial in data.complete]
            )
            axis.step(
                [*numbers, last],
                [*best, best[-1]],
                where="post",
                color=style.VERMILION,
                linewidth=1.2,
                label="best so far",
            )
        _scatter(axis, data.complete, place, **DOT, color=style.BLUE, label="complete")
        _scatter(axis, data.pruned, place, **CROSS, label=PRUNED)
        _scatter(axis, data.default(), place, **DEFAULT)
        scale(axis.yaxis, data.values(place))
        axis.set_ylabel(goal.metric)
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axis.set_xlim(-0.5, last + 0.5)
    axes[-1].set_xlabel("trial")
    draw_legend(figure, axes[0])
    draw_title(figure, data.plan.name, f"value by trial; {len(data.complete)} complete{_pruned(data)}")
    return figure


def draw_importances(data: FigureData) -> Figure | None:
    """Draw the importance of each searched value, one panel per objective."""
    found, names = data.summary.importances, [d.name for d in data.plan.space.dimensions]
    if not found or len(names) < 2:
        return None
    figure = style.blank(7, (0.26 * len(names) + 0.3) * len(found) + 0.4, layout="constrained")
    axes = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (metric, shares) in zip(axes, found.items(), strict=True):
        bars = axis.barh(list(shares), list(shares.values()), height=0.6, color=style.BLUE)
        axis.bar_label(bars, fmt="{:.0%}", padding=3)
        axis.invert_yaxis()
        axis.grid(visible=False)
        axis.tick_params(left=False, bottom=False, labelbottom=False)
        axis.spines["bottom"].set_visible(False)
        axis.set_xlim(0, 1.08 * max(max(each.values()) for each in found.values()))
        if len(found) > 1:
            axis.set_title(metric, loc="left")
    goal = "" if len(found) > 1 else f" by {next(iter(found))}"
    text = f"what decides whether a trial is in the best tenth{goal}\n(PED-ANOVA; "
    draw_title(figure, data.plan.name, f"{text}complete trials: {len(data.complete)})")
    return figure


def draw_slices(data: FigureData) -> Figure | None:
    """Draw the objective against each searched value, coloured by trial number if there are several."""
    if not data.complete:
        return None

    goals, dimensions = data.plan.goals, data.plan.space.dimensions
    across = min(PANELS_PER_ROW, len(dimensions))
    down = math.ceil(len(dimensions) / across)
    figure = style.blank(
        max(LEAST_WIDTH, 1.75 * across + 1.2), 1.9 * down * len(goals) + 0.9, layout="constrained"
    )
    grid = figure.subplots(down * len(goals), across, sharey=False, squeeze=False)
    norm = Normalize(0, max(1, data.complete[-1].number))
    has_colours = len(data.complete) >= LEAST_COLOURED
    for place, goal in enumerate(goals):
        panels = grid[place * down : (place + 1) * down].ravel()
        for index, (axis, dimension) in enumerate(zip(panels, dimensions, strict=False)):
            coloured = (
                Look(c=[trial.number for trial in data.complete], cmap=colours(), norm=norm)
                if has_colours
                else Look(color=style.BLUE, label="complete")
            )
            _scatter(axis, data.pruned, place, dimension, **CROSS, label=PRUNED)
            _scatter(axis, data.complete, place, dimension, **DOT, **coloured)
            _scatter(axis, data.best(place), place, dimension, **BEST)
            _scatter(axis, data.default(), place, dimension, **DEFAULT)
            range_ticks(axis.xaxis, dimension)
            scale(axis.yaxis, data.values(place))
            axis.set_xlabel(dimension.name)
            if index % across:
                axis.tick_params(left=False, labelleft=False)
            else:
                axis.set_ylabel(goal.metric)
        for axis in panels[len(dimensions) :]:
            axis.set_axis_off()
    if has_colours:
        bar = figure.colorbar(ScalarMappable(norm, colours()), ax=grid, aspect=30, fraction=0.05)
        bar.set_label("trial")
        bar.locator = MaxNLocator(5, integer=True)
        bar.outline.set_visible(False)
    draw_legend(figure, grid[0, 0])
    draw_title(figure, data.plan.name, "value by each searched value")
    return figure


def draw_contours(data: FigureData) -> Figure | None:
    """Draw the objective over pairs of the most important searched values."""
    paired = _most_important(data)
    if len(paired) < 2 or len(data.complete) < LEAST_PAIRED:
        return None

    goals, pairs = data.plan.goals, list(combinations(paired, 2))
    figure = style.blank(
        max(LEAST_WIDTH, 2.2 * len(pairs) + 1.2), 2.2 * len(goals) + 0.8, layout="constrained"
    )
    grid = figure.subplots(len(goals), len(pairs), squeeze=False)
    for place, (row, goal) in enumerate(zip(grid, goals, strict=True)):
        low_is_good = goal.direction == "minimize"
        values = without_worst([value_of(trial, place) for trial in data.complete], low_is_good)
        norm, shades = norm_of(values), colours(reverse=not low_is_good)
        for axis, (across, up) in zip(row, pairs, strict=True):
            draw_surface(axis, data.complete, values, (across, up), norm, shades)
            draw_pairs(axis, data.pruned, (across, up), **CROSS, label="pruned")
            look = DOT | {"s": 22, "linewidths": 0.6, "edgecolors": "white"}
            draw_pairs(axis, data.complete, (across, up), **look, c=values, cmap=shades, norm=norm)
            draw_pairs(axis, data.best(place), (across, up), **BEST)
            draw_pairs(axis, data.default(), (across, up), **DEFAULT)
            range_ticks(axis.xaxis, across)
            range_ticks(axis.yaxis, up)
            axis.set(xlabel=across.name, ylabel=up.name)
            axis.grid(visible=False)
        worse = any(value_of(trial, place) not in values for trial in data.complete)
        extend = ("max" if low_is_good else "min") if worse else "neither"
        bar = figure.colorbar(ScalarMappable(norm, shades), ax=row, aspect=25, fraction=0.05, extend=extend)
        bar.set_label(goal.metric)
        scale(bar.ax.yaxis, values)
        bar.outline.set_visible(False)
    draw_legend(figure, grid[0, 0])
    draw_title(figure, data.plan.name, "value over pairs of searched values; dark is better")
    return figure


def draw_intermediate(data: FigureData) -> Figure | None:
    """Draw each trial's value by step."""
    trials = [trial for trial in (*data.complete, *data.pruned) if _last_point(trial) is not None]
    if not trials or len(data.plan.goals) > 1:
        return None
    figure = style.blank(7, 3.4, layout="constrained")
    axis = figure.subplots()
    seeds, length = data.plan.file.seeds, data.plan.evaluations[-1]
    shown = []
    best, default = data.best(0), data.default()
    for trial in trials:
        points = sorted(p for p, value in trial.intermediate_values.items() if math.isfinite(value))
        values = [trial.intermediate_values[point] for point in points]
        shown += values
        look: Look = Look(color=style.BLUE, alpha=0.45, linewidth=0.8, label="complete")
        if trial in data.pruned:
            look = Look(color=GREY, alpha=0.7, linewidth=0.7, label="pruned")
            axis.scatter(points[-1], values[-1], **CROSS)
        if trial in default:
            look |= Look(color="black", linestyle="--", linewidth=1.2, label="default")
            look |= Look(alpha=1, zorder=3)
        if trial in best:
            look |= Look(color=style.VERMILION, alpha=1, linewidth=1.6, zorder=4)
            look["label"] = "best (the default)" if trial in default else "best"
        axis.plot(points, values, **look, marker="o" if len(points) == 1 else None, markersize=3)
    for place, seed in enumerate(seeds if len(seeds) > 1 else ()):
        if place:
            axis.axvline(place * length, color="black", linewidth=0.6, linestyle=":")
        axis.annotate(
            f"seed {seed}", ((place + 0.5) * length, 1), (0, 2), xycoords=axis.get_xaxis_transform(), **ABOVE
        )
    scale(axis.yaxis, shown)
    axis.set_xlim(0, length * len(seeds) * 1.01)
    axis.set_xlabel("step" if len(seeds) == 1 else "step, one seed after another")
    axis.set_ylabel(data.plan.goals[0].metric + ("\n(mean of the seeds so far)" if len(seeds) > 1 else ""))
    draw_legend(figure, axis)
    draw_title(figure, data.plan.name, "value by step")
    return figure


def draw_front(data: FigureData) -> Figure | None:
    """Draw two objectives against each other, and the Pareto front."""
    if len(data.plan.goals) != 2 or not data.complete:
        return None
    figure = style.blank(5, 3.8, layout="constrained")
    axis = figure.subplots()
    front = [trial for trial in data.summary.front if trial in data.complete]
    x, y = ([value_of(trial, place) for trial in data.complete] for place in (0, 1))
    axis.scatter(x, y, **DOT, color=GREY, label="complete")
    x_front, y_front = ([value_of(trial, place) for trial in front] for place in (0, 1))
    # drawn as steps: between two trials of the front nothing better was reached
    look: Look = {
        "color": style.VERMILION,
        "linewidth": 0.8,
        "marker": "o",
        "markersize": 4.5,
        "zorder": 4,
    }
    axis.plot(x_front, y_front, **look, drawstyle="steps-post", label="front")
    for trial in data.default():
        axis.scatter(*trial.values, **DEFAULT)
    for axle, goal, values in zip((axis.xaxis, axis.yaxis), data.plan.goals, (x, y), strict=True):
        scale(axle, values)
        axle.set_label_text(
            f"{goal.metric} ({'lower' if goal.direction == 'minimize' else 'higher'} is better)"
        )
    draw_legend(figure, axis)
    draw_title(figure, data.plan.name, "Pareto front, with the trials' numbers")
    better = [-1 if goal.direction == "minimize" else 1 for goal in data.plan.goals]
    name_points(
        figure, axis, {str(trial.number): (trial.values[0], trial.values[1]) for trial in front}, better
    )
    return figure


FIGURES = {
    "history": draw_history,
    "importances": draw_importances,
    "slices": draw_slices,
    "contours": draw_contours,
    "intermediate": draw_intermediate,
    "front": draw_front,
}


def _last_point(trial: FrozenTrial) -> int | None:
    """Return the last point at which a trial reported a finite value."""
    finite = [point for point, value in trial.intermediate_values.items() if math.isfinite(value)]
    return max(finite, default=None)


def _most_important(data: FigureData) -> list[Dimension]:
    """Return the most important searched values by the first objective, or the first ones."""
    dimensions = list(data.plan.space.dimensions)
    found = data.summary.importances.get(data.plan.goals[0].metric, {})
    dimensions.sort(key=lambda dimension: -found.get(dimension.name, 0))
    return dimensions[:MOST_PAIRED]


def _pruned(data: FigureData) -> str:
    """Return the number of pruned trials, and how many of them are not drawn, as text."""
    count = data.summary.counts["PRUNED"]
    unseen = count - len(data.pruned)
    text = f", {count} pruned" if count else ""
    return f"{text} ({unseen} of them without a value to show)" if unseen else text


def _scatter(
    axis: Axes,
    trials: Sequence[FrozenTrial],
    place: int,
    dimension: Dimension | None = None,
    **look: Any,
) -> None:
    """Draw values against trial number, or against a searched value."""
    if trials:
        x = [trial.number for trial in trials] if dimension is None else places_of(trials, dimension)
        axis.scatter(x, [value_of(trial, place) for trial in trials], **look)
