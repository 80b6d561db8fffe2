"""Trajectories of one run: its scalars by step, and its metrics by evaluation."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.comparing.smoothing import steps_of_mean
from bench.figures import style
from bench.figures.trajectory_axes import (
    COUNTS,
    MOST_POINTS,
    SHARES,
    describe_metric_axis,
    describe_scalar_axis,
    extremes,
    shown_by,
)
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.modes import HIGH_QUALITY
from bench.runs.record import Evaluation, StepRow
from variants.scalars import Panel, TrainingScalar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES_DRAWN = COVERAGE, HIGH_QUALITY
REAL_GREY = "#666666"
HIDDEN = 0.01  # of a panel's height, about: what the width of a line hides
MOST_OF_AXIS = 2  # times the span of later values that an axis may reach to show the first steps, too


@dataclass(frozen=True)
class Judged:
    """The evaluations of a run.

    Attributes
    ----------
    evaluations : sequence of Evaluation
        The record's evaluations.
    distance : str
        Name of the run's Frechet distance.
    real : mapping
        Scores of held-out real samples, by metric.
    set_aside : sequence of Evaluation
        Evaluations at old ends of the run, which do not count.
    """

    evaluations: Sequence[Evaluation] = ()
    distance: str = ""
    real: Mapping[str, float] = field(default_factory=dict)
    set_aside: Sequence[Evaluation] = ()


def save_trajectories(
    rows: list[StepRow],
    scalars: Sequence[TrainingScalar],
    title: str,
    path: Path,
    judged: Judged | None = None,
    extended_at: Sequence[int] = (),
) -> list[Path]:
    """Draw a run by step: the panels of its scalars, in order of declaration, and beside them its metrics.

    The metrics are the Frechet distance, the modes or classes covered, coverage, and the share of samples
    that lie well on a mode. A scalar that the run lacks has no panel, nor has a metric that fewer than two
    evaluations have.

    Parameters
    ----------
    rows : list of StepRow
        The record's steps.
    scalars : sequence of TrainingScalar
        The scalars that the run declares; those with equal panels share one.
    title : str
        Title of the figure.
    path : Path
        File without suffix.
    judged : Judged, optional
        The run's evaluations; without them there is one column only.
    extended_at : sequence of int
        Last steps before the run was extended; every panel marks them.

    Returns
    -------
    list of Path
        A PNG and an SVG; none where there is nothing to draw. Values that an axis cannot show, such as those
        that are not finite, are left out.
    """
    trained, found = _scalar_panels(rows, scalars), _judged_panels(judged or Judged())
    sides = [side for side in (trained, found) if side]
    if not sides:
        return []
    down = max(map(len, sides))
    with style.styled():
        figure = style.blank(9.5 if len(sides) == 2 else 7, 1.9 * down + 0.6, layout="constrained")
        columns = figure.subplots(down, len(sides), sharex=True, squeeze=False).T
        for column, side in zip(columns, sides, strict=True):
            for axis, draw in zip(column, side, strict=False):
                draw(axis)
                _mark(axis, extended_at, labelled=axis is columns[0][0])
                # above the axes, where no curve is
                axis.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderaxespad=0.2)
            for axis in column[len(side) :]:
                axis.remove()
            column[len(side) - 1].set_xlabel("step")
            column[len(side) - 1].tick_params(labelbottom=True)
        figure.suptitle(title)
    return style.save(figure, path)


def _mark(axis: "Axes", steps: Sequence[int], labelled: bool) -> None:
    """Mark the steps at which a run was extended."""
    for number, step in enumerate(steps):
        label = "extended" if labelled and number == 0 else None
        axis.axvline(step, color=REAL_GREY, linewidth=0.9, linestyle=":", label=label)


Panels = list[Callable[["Axes"], None]]  # the functions that draw the panels


@dataclass(frozen=True)
class Series:
    """The values of a scalar that its axis can show.

    Attributes
    ----------
    name : str
        Name of the scalar.
    steps, values : numpy.ndarray
        int64 and float64 (N,), in order of steps.
    steps_of_mean : int
        Steps over which the curve is averaged.
    window : int
        Values in so many steps, about: a scalar may be absent in most of them.
    mean_in_tables : bool
        Whether tables have that mean of the scalar, rather than its value after a step.
    """

    name: str
    steps: np.ndarray
    values: np.ndarray
    steps_of_mean: int
    window: int
    mean_in_tables: bool

    def draw_all(self, axis: "Axes", colour: str, pale: bool) -> None:
        """Draw every value."""
        # with the last one, which tables have of smooth scalars
        shown = np.union1d(extremes(self.values, MOST_POINTS), len(self.values) - 1)
        alpha, width = (0.3, 0.6) if pale else (1, 1.3)
        axis.plot(
            self.steps[shown],
            self.values[shown],
            color=colour,
            alpha=alpha,
            linewidth=width,
            label="every step",
        )

    def is_noisy(self, scale: Literal["linear", "log"]) -> bool:
        """Whether most values lie visibly off the mean of the window of steps in whose middle they are."""
        start = (self.window - 1) // 2
        mean = self._mean()
        values = self.values[start : start + len(mean)]
        if scale == "log":
            values, mean = np.log10(values), np.log10(mean)
        return bool(np.median(np.abs(values - mean)) > HIDDEN * np.ptp(values))

    def _mean(self) -> np.ndarray:
        return np.convolve(self.values, np.ones(self.window) / self.window, mode="valid")

    def draw_mean(self, axis: "Axes", label: str, colour: str, line: style.LineStyle = "-") -> None:
        """Draw the mean over the last steps; of one value a point."""
        smooth = self._mean()
        # with the last one, which tables have, too
        shown = np.arange(len(smooth) - 1, -1, -max(1, len(smooth) // MOST_POINTS))[::-1]
        marker = "o" if len(smooth) == 1 else None
        axis.plot(
            self.steps[self.window - 1 :][shown],
            smooth[shown],
            color=colour,
            linestyle=line,
            linewidth=1.3,
            marker=marker,
            markersize=3.5,
            label=label,
        )


def _scalar_panels(rows: list[StepRow], scalars: Sequence[TrainingScalar]) -> Panels:
    """Return the panels of the scalars, in order of declaration."""
    of_panels: dict[Panel, list[Series]] = {}
    for scalar in scalars:
        if scalar.panel is not None and (series := _series(rows, scalar, scalar.panel)) is not None:
            of_panels.setdefault(scalar.panel, []).append(series)
    panels: Panels = []
    single = 0
    for panel, together in of_panels.items():
        if len(together) == 1:
            colour = style.line(single)["color"]
            panels.append(partial(_draw_one, panel=panel, series=together[0], colour=colour))
            single += 1
        else:
            panels.append(partial(_draw_several, panel=panel, together=together, steps=len(rows)))
    return panels


def _series(rows: list[StepRow], scalar: TrainingScalar, panel: Panel) -> Series | None:
    """Return the values of a scalar at the steps that have it; None where an axis can show none."""
    name = scalar.name
    found = [(row["step"], row[name]) for row in rows if name in row]
    steps, values = np.array(found, float).reshape(-1, 2).T
    shown = shown_by(panel, values)
    if not shown.any():
        return None
    steps_of_window = steps_of_mean(len(rows))
    window = max(1, round(steps_of_window * int(shown.sum()) / len(rows)))
    return Series(name, steps[shown], values[shown], steps_of_window, window, scalar.selects)


def _draw_one(axis: "Axes", panel: Panel, series: Series, colour: str) -> None:
    if series.steps_of_mean == 1:
        series.draw_mean(axis, "every step", colour)
    elif series.mean_in_tables or series.is_noisy(panel.scale):
        series.draw_all(axis, colour, pale=True)
        series.draw_mean(axis, f"mean over the last {series.steps_of_mean:,} steps", colour)
    else:
        series.draw_all(axis, colour, pale=False)
    describe_scalar_axis(axis, panel)


def _draw_several(axis: "Axes", panel: Panel, together: Sequence[Series], steps: int) -> None:
    for number, series in enumerate(together):
        look = style.line(number)
        series.draw_mean(axis, series.name, look["color"], look["linestyle"])
    if panel.scale == "linear":
        _leave_out_start(axis, together, steps)
    describe_scalar_axis(axis, panel)


def _leave_out_start(axis: "Axes", together: Sequence[Series], steps: int) -> None:
    """Limit an axis to the values after the first steps, where those would take the most of the axis."""
    later = np.concatenate([series.values[series.steps > steps // 10] for series in together])
    if not len(later):
        return
    low, high = np.quantile(later, (0.001, 0.999))
    bottom, top = axis.get_ylim()
    margin = 0.1 * (high - low)
    if margin > 0 and top - bottom > MOST_OF_AXIS * (high - low):
        axis.set_ylim(low - margin, high + margin)


def _judged_panels(judged: Judged) -> Panels:
    """Return the panels of the metrics."""
    evaluations = judged.evaluations

    def draw(axis: "Axes", panel: str, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            look = style.line(number)
            axis.plot(
                [each.step for each in evaluations if name in each.values],
                [each.values[name] for each in evaluations if name in each.values],
                **look,
                linewidth=1.3,
                markersize=3.5,
                clip_on=False,
                label=name,
            )
            if aside := [each for each in judged.set_aside if name in each.values]:
                axis.plot(
                    [each.step for each in aside],
                    [each.values[name] for each in aside],
                    color=look["color"],
                    marker=look["marker"],
                    linestyle="none",
                    markerfacecolor="white",
                    markersize=3.5,
                    zorder=3,
                    clip_on=False,
                    label="old end, not counted" if number == len(names) - 1 else None,
                )
            if name in judged.real:
                level = "held-out real samples" if number == len(names) - 1 else None
                axis.axhline(
                    judged.real[name],
                    color=REAL_GREY,
                    linewidth=0.9,
                    linestyle=look["linestyle"],
                    label=level,
                )
        describe_metric_axis(axis, panel)

    # a single one is no trajectory
    counts = Counter(name for each in [*evaluations, *judged.set_aside] for name in each.values)
    known = {name for name, count in counts.items() if count > 1}
    panels: Panels = []
    for panel, names in (
        (judged.distance, [judged.distance]),
        *((name, [name]) for name in COUNTS),
        (SHARES, SHARES_DRAWN),
    ):
        if here := [name for name in names if name in known]:
            panels.append(partial(draw, panel=panel, names=here))
    return panels
