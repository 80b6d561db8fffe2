"""What was recorded by step: of one run, and M and k of groups of runs over their seeds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.figures import style
from bench.judging.metrics.classes import CLASSES_COVERED
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED
from bench.runs.record import Evaluation, StepRow

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LABELS = {
    "M": "M (convergence measure)",
    "k": "k (weight of L(G(z)))",
    "losses": "losses",
    CLASSES_COVERED: "classes covered",
    MODES_COVERED: "modes covered",
    "shares": "share",
}
LOSSES = ("loss_real", "loss_fake", "balance"), ("loss_d", "loss_g")
COUNTS = MODES_COVERED, CLASSES_COVERED
SHARES = COVERAGE, HIGH_QUALITY
MOST_POINTS = 1000  # of a curve in a file: a million steps would make an SVG that nobody can open
REAL_GREY = "#666666"
WINDOWS = 100  # windows of smoothing in the longest run


@dataclass(frozen=True)
class Judged:
    """What a run's evaluations say.

    Attributes
    ----------
    evaluations : sequence of Evaluation
        The record's evaluations.
    distance : str
        Name of the run's Frechet distance.
    real : mapping
        What held-out real samples score, by metric.
    """

    evaluations: Sequence[Evaluation] = ()
    distance: str = ""
    real: Mapping[str, float] = field(default_factory=dict)


def save_trajectories(
    rows: list[StepRow], title: str, path: Path, judged: Judged | None = None
) -> list[Path]:
    """Draw a run by step: M, k and the losses with their balance, and beside them what was judged.

    That is the Frechet distance, the modes or classes covered, and coverage, with the share of samples that
    lie well on a mode; what a run lacks has no place.

    Parameters
    ----------
    rows : list of StepRow
        The record's steps.
    title : str
        Title of the figure.
    path : Path
        File without suffix.
    judged : Judged, optional
        What its evaluations say; without it there is one column only.

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
            _describe(axis, name)
            # above the axes: a curve may go anywhere within
            axis.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderaxespad=0.2)
        for axis in columns.flatten()[len(panels) :]:
            axis.remove()
        for lowest in {axes[-1], columns[0, -1]}:
            lowest.set_xlabel("step")
            lowest.tick_params(labelbottom=True)
        figure.suptitle(title)
    return style.save(figure, path)


Panels = dict[str, Callable[["Axes"], None]]


def _trained_panels(rows: list[dict[str, Any]]) -> Panels:
    """What training computed at every step: by name, how to draw it."""
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
        draw_mean(axis, name, f"mean over the last {window:,} steps", color=colour)

    def draw_mean(axis: "Axes", name: str, label: str, **look: Any) -> None:
        steps, values = series(name)
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        every = max(1, len(smooth) // MOST_POINTS)
        axis.plot(steps[window - 1 :][::every], smooth[::every], linewidth=1.3, label=label, **look)

    def draw_losses(axis: "Axes") -> None:
        for place, name in enumerate(losses):
            look = style.line(place)
            draw_mean(axis, name, name, color=look["color"], linestyle=look["linestyle"])
        # the first steps would take the whole axis
        settled = np.concatenate([series(name)[1][len(rows) // 10 :] for name in losses])
        if len(settled):
            low, high = np.quantile(settled, (0.001, 0.999))
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
    """What the evaluations measured: by name, how to draw it."""
    evaluations = judged.evaluations

    def draw(axis: "Axes", names: Sequence[str]) -> None:
        for place, name in enumerate(names):
            look = style.line(place)
            axis.plot(
                [each.step for each in evaluations if name in each.values],
                [each.values[name] for each in evaluations if name in each.values],
                **look,
                linewidth=1.3,
                markersize=3.5,
                label=name,
            )
            if name in judged.real:
                level = "held-out real samples" if place == len(names) - 1 else None
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
        ("shares", SHARES),
    ):
        if here := [name for name in names if name in known]:
            panels[panel] = partial(draw, names=here)
    return panels


def compare_trajectories(frame: "pd.DataFrame", path: Path, title: str) -> list[Path]:
    """Draw M above k by step for groups of runs: the mean over seeds, and the band from min to max.

    Each run is first averaged over windows of steps, a hundredth of the longest run; the legend says how
    many. Epochs stand on a second axis where a step is the same part of an epoch in every run.

    Parameters
    ----------
    frame : DataFrame
        One row a run and step: run_id, group, seed, step, epoch, M, k; M and k may be missing. Rows
        without a number are left out, and so is a group that has none.
    path : Path
        File without suffix.
    title : str
        Title of the figure.

    Returns
    -------
    list of Path
        A PNG and an SVG; none where no run has M or k.
    """
    names = [name for name in ("M", "k") if name in frame and frame[name].notna().any()]
    if not names:
        return []
    groups = list(dict.fromkeys(frame["group"]))
    drawn = [group for group in groups if frame.loc[frame["group"] == group, names].notna().any(axis=None)]
    window = max(1, int(frame["step"].max()) // WINDOWS)
    with style.styled():
        figure = style.blank(7, 2.5 * len(names) + 0.9, layout="constrained")
        axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axis, name in zip(axes, names, strict=True):
            for place, group in enumerate(drawn):
                _draw_group(axis, frame[frame["group"] == group], name, window, place)
            _describe(axis, name)
        axes[-1].set_xlabel("step")
        _add_epochs(axes[0], frame[frame["group"].isin(drawn)])
        seeds = (
            " (band: min to max over seeds)" if frame.groupby("group")["run_id"].nunique().max() > 1 else ""
        )
        absent = [group for group in groups if group not in drawn]
        legend = f"mean over seeds{seeds}; each run averaged over {window:,} steps"
        if absent:
            legend += f"\nwithout M and k: {', '.join(absent)}"
        handles, labels = axes[0].get_legend_handles_labels()
        columns = 2 if max(map(len, labels)) > 28 else 3
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, title=legend)
        figure.suptitle(title)
    return style.save(figure, path)


def extremes(values: np.ndarray, most: int) -> np.ndarray:
    """Places of at most `most` values that keep a curve's outline: the extremes of each stretch.

    Parameters
    ----------
    values : numpy.ndarray
        A series (N,).
    most : int
        At least 2.

    Returns
    -------
    numpy.ndarray
        int64, rising; all places where there are no more than `most`.
    """
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(int)
    pairs = [
        (start + int(np.argmin(values[start:stop])), start + int(np.argmax(values[start:stop])))
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]
    return np.unique(np.array(pairs))


def over_seeds(frame: "pd.DataFrame", name: str, window: int) -> "pd.DataFrame":
    """Average one group's runs over windows of steps, then look across runs.

    Parameters
    ----------
    frame : DataFrame
        Rows of one group, as for :func:`compare_trajectories`.
    name : str
        The scalar's column.
    window : int
        Steps in a window; the first holds steps 1 to `window`.

    Returns
    -------
    DataFrame
        One row a window: step (mean of its steps), mean, least, most over the runs' own means, and runs.
    """
    rows = frame[["run_id", "step", name]].dropna()
    windows = rows.assign(window=(rows["step"] - 1) // window)
    of_runs = windows.groupby(["run_id", "window"], as_index=False)[["step", name]].mean()
    return of_runs.groupby("window").agg(
        step=("step", "mean"),
        mean=(name, "mean"),
        least=(name, "min"),
        most=(name, "max"),
        runs=(name, "size"),
    )


def _draw_group(axis: "Axes", rows: "pd.DataFrame", name: str, window: int, place: int) -> None:
    curve = over_seeds(rows, name, window)
    if curve.empty:
        return
    look = style.line(place)
    seeds = rows.loc[rows[name].notna(), "run_id"].nunique()
    # markers of one group stand between those of the next
    every = (place % 5, max(1, len(curve) // 8))
    label = f"{rows['group'].iloc[0]} ({seeds} seed{'s' * (seeds != 1)})"
    axis.plot(
        curve["step"], curve["mean"], **look, linewidth=1.3, markersize=3.5, markevery=every, label=label
    )
    if (curve["runs"] > 1).any():
        axis.fill_between(
            curve["step"], curve["least"], curve["most"], color=look["color"], alpha=0.18, linewidth=0
        )


def _describe(axis: "Axes", name: str) -> None:
    axis.set_ylabel(LABELS.get(name, name))
    if name in COUNTS or name == "shares":
        axis.set_ylim(0, 1.06 * axis.get_ylim()[1])
    elif name not in ("k", "losses"):
        from matplotlib.ticker import LogLocator, NullFormatter

        # it falls by orders of magnitude in the first steps
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    elif name == "k":
        axis.set_ylim(bottom=0)


def _add_epochs(axis: "Axes", frame: "pd.DataFrame") -> None:
    """A second axis above, where all runs go through the data at one pace."""
    if "epoch" not in frame:
        return
    paces = (frame["epoch"] / frame["step"]).dropna()
    if paces.empty or paces.max() - paces.min() > 1e-6 * paces.max():
        return
    pace = float(paces.iloc[0])

    def epoch_of(step: Any) -> Any:
        return step * pace

    def step_of(epoch: Any) -> Any:
        return epoch / pace

    axis.secondary_xaxis("top", functions=(epoch_of, step_of)).set_xlabel("epoch")
