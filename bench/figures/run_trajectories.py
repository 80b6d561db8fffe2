"""Trajectories of one run: its scalars by step, and its metrics by evaluation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.figures import style
from bench.figures.trajectory_axes import COUNTS, MOST_POINTS, SHARES, WINDOWS, describe_axis, extremes
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.modes import HIGH_QUALITY
from bench.runs.record import Evaluation, StepRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSSES = ("loss_real", "loss_fake", "balance"), ("loss_d", "loss_g")
SHARES_DRAWN = COVERAGE, HIGH_QUALITY
REAL_GREY = "#666666"


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
    """

    evaluations: Sequence[Evaluation] = ()
    distance: str = ""
    real: Mapping[str, float] = field(default_factory=dict)


def save_trajectories(
    rows: list[StepRow], title: str, path: Path, judged: Judged | None = None
) -> list[Path]:
    """Draw a run by step: M, k and the losses with their balance, and beside them its metrics.

    The metrics are the Frechet distance, the modes or classes covered, coverage, and the share of samples
    that lie well on a mode; a metric that the run lacks has no panel.

    Parameters
    ----------
    rows : list of StepRow
        The record's steps.
    title : str
        Title of the figure.
    path : Path
        File without suffix.
    judged : Judged, optional
        The run's evaluations; without them there is one column only.

    Returns
    -------
    list of Path
        A PNG and an SVG; none where there is nothing to draw. Values that are not finite are left out.
    """
    trained, found = _trained_panels(rows), _judged_panels(judged or Judged())
    panels = trained | found
    if not panels:
        return []
    across = 2 if trained and found else 1
    down = -(-len(panels) // across)
    with style.styled():
        figure = style.blank(9.5 if across == 2 else 7, 1.9 * down + 0.6, layout="constrained")
        columns = figure.subplots(down, across, sharex=True, squeeze=False).T
        axes = columns.flatten()[: len(panels)]
        for axis, (name, draw) in zip(axes, panels.items(), strict=True):
            draw(axis)
            describe_axis(axis, name)
            # above the axes, where no curve is
            axis.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderaxespad=0.2)
        for axis in columns.flatten()[len(panels) :]:
            axis.remove()
        for lowest in {axes[-1], columns[0, -1]}:
            lowest.set_xlabel("step")
            lowest.tick_params(labelbottom=True)
        figure.suptitle(title)
    return style.save(figure, path)


Panels = dict[str, Callable[["Axes"], None]]  # by name, the function that draws a panel


def _trained_panels(rows: list[StepRow]) -> Panels:
    """Return the panels of the scalars of every step."""
    window = max(1, len(rows) // WINDOWS)

    def series(name: str) -> tuple[np.ndarray, np.ndarray]:
        # the last step of a run that diverged is not finite
        found = [(row["step"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
        steps, values = np.array(found).reshape(-1, 2).T
        return steps, values

    def has(name: str) -> bool:
        return len(series(name)[0]) >= window

    def draw_one(axis: "Axes", name: str, colour: str) -> None:
        steps, values = series(name)
        shown = extremes(values, MOST_POINTS)
        axis.plot(steps[shown], values[shown], color=colour, alpha=0.3, linewidth=0.6, label="every step")
        draw_mean(axis, name, f"mean over the last {window:,} steps", colour)

    def draw_mean(axis: "Axes", name: str, label: str, colour: str, line: style.LineStyle = "-") -> None:
        steps, values = series(name)
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        every = max(1, len(smooth) // MOST_POINTS)
        shown = steps[window - 1 :][::every]
        axis.plot(shown, smooth[::every], color=colour, linestyle=line, linewidth=1.3, label=label)

    def draw_losses(axis: "Axes") -> None:
        for number, name in enumerate(losses):
            look = style.line(number)
            draw_mean(axis, name, name, look["color"], look["linestyle"])
        # without the first steps, whose values would take the whole axis
        later = np.concatenate([series(name)[1][len(rows) // 10 :] for name in losses])
        if len(later):
            low, high = np.quantile(later, (0.001, 0.999))
            margin = 0.1 * (high - low)
            if margin > 0:
                axis.set_ylim(low - margin, high + margin)

    panels: Panels = {}
    for name, colour in (("M", style.BLUE), ("k", style.VERMILION)):
        if has(name):
            panels[name] = partial(draw_one, name=name, colour=colour)
    losses = next((names for names in LOSSES if all(map(has, names))), ())
    if losses:
        panels["losses"] = draw_losses
    return panels


def _judged_panels(judged: Judged) -> Panels:
    """Return the panels of the metrics."""
    evaluations = judged.evaluations

    def draw(axis: "Axes", names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            look = style.line(number)
            axis.plot(
                [each.step for each in evaluations if name in each.values],
                [each.values[name] for each in evaluations if name in each.values],
                **look,
                linewidth=1.3,
                markersize=3.5,
                label=name,
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

    known = {name for each in evaluations for name in each.values}
    panels: Panels = {}
    for panel, names in (
        (judged.distance, [judged.distance]),
        *((name, [name]) for name in COUNTS),
        (SHARES, SHARES_DRAWN),
    ):
        if here := [name for name in names if name in known]:
            panels[panel] = partial(draw, names=here)
    return panels
