"""Scalars by step of groups of runs, over their seeds."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.comparing.numbers import listed
from bench.comparing.smoothing import steps_of_mean
from bench.figures import style
from bench.figures.trajectory_axes import describe_scalar_axis, shown_by
from variants.scalars import Panel, TrainingScalar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LETTERS = 100  # of the legend, which fit into the figure's width
KEY = 8  # letters that a curve's sample in the legend takes the place of


def compare_trajectories(
    frame: "pd.DataFrame", scalars: Sequence[TrainingScalar], path: Path, title: str
) -> list[Path]:
    """Draw scalars by step for groups of runs, one above the other: means over seeds, bands from min to max.

    Each run is first averaged over windows of steps, a hundredth of the longest run; the legend has the
    number of steps. Where all runs have one length, a curve ends with the means that tables have. A
    second axis has epochs where a step is the same part of an epoch in every run.

    Parameters
    ----------
    frame : DataFrame
        One row per run and step: run_id, group, seed, step, epoch, and the scalars by name, which may be
        missing. The legend names the groups that have no value of a scalar.
    scalars : sequence of TrainingScalar
        What to draw, each on the axis that its panel describes.
    path : Path
        File without suffix.
    title : str
        Title of the figure.

    Returns
    -------
    list of Path
        A PNG and an SVG; none where no run has a value of a scalar.
    """
    shown = _that_can_be_shown(frame, scalars)
    present = [scalar for scalar in scalars if scalar.name in shown and shown[scalar.name].notna().any()]
    if not present:
        return []
    having = {scalar.name: set(shown.loc[shown[scalar.name].notna(), "group"]) for scalar in present}
    groups = list(dict.fromkeys(shown["group"]))
    drawn = [group for group in groups if any(group in those for those in having.values())]
    last = int(shown["step"].max())
    window = steps_of_mean(last)
    with style.styled():
        figure = style.blank(7, 2.5 * len(present) + 0.9, layout="constrained")
        axes = figure.subplots(len(present), 1, sharex=True, squeeze=False)[:, 0]
        labels = {group: _label(shown[shown["group"] == group], having) for group in drawn}
        for axis, scalar in zip(axes, present, strict=True):
            for number, (group, label) in enumerate(labels.items()):
                rows = shown[shown["group"] == group]
                _draw_group(axis, over_seeds(rows, scalar.name, window, last), number, label)
            describe_scalar_axis(axis, scalar.panel or Panel(scalar.name))
        axes[-1].set_xlabel("step")
        _add_epochs(axes[0], shown[shown["group"].isin(drawn)])
        seeds = (
            " (band: min to max over seeds)" if shown.groupby("group")["run_id"].nunique().max() > 1 else ""
        )
        legend = f"mean over seeds{seeds}; each run averaged over {window:,} steps"
        legend += _absences(groups, having)
        # a group that lacks a scalar is in the legend of another axis
        pairs = (pair for axis in axes for pair in zip(*axis.get_legend_handles_labels(), strict=True))
        lines = {label: line for line, label in pairs}
        names = [label for label in labels.values() if label in lines]
        columns = max(1, min(3, LETTERS // (max(map(len, names)) + KEY)))
        handles = [lines[name] for name in names]
        figure.legend(handles, names, loc="outside lower center", ncols=columns, title=legend)
        figure.suptitle(title)
    return style.save(figure, path)


def _that_can_be_shown(frame: "pd.DataFrame", scalars: Sequence[TrainingScalar]) -> "pd.DataFrame":
    """Return the frame without the values that the axes cannot show."""
    here = {scalar.name: scalar.panel or Panel(scalar.name) for scalar in scalars if scalar.name in frame}
    values = {
        name: frame[name].where(shown_by(panel, frame[name].to_numpy(float))) for name, panel in here.items()
    }
    return frame.assign(**values)


def _absences(groups: Sequence[str], having: dict[str, set[str]]) -> str:
    """Lines for the legend that name the groups without a scalar, together where they lack the same ones."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    for group in groups:
        absent = tuple(name for name, those in having.items() if group not in those)
        lacking.setdefault(absent, []).append(group)
    lines = [f"without {listed(absent)}: {', '.join(those)}" for absent, those in lacking.items() if absent]
    return "".join(f"\n{part}" for line in lines for part in textwrap.wrap(line, LETTERS))


def over_seeds(frame: "pd.DataFrame", name: str, window: int, last: int) -> "pd.DataFrame":
    """Average one group's runs over windows of steps, and compare the runs in each window.

    Parameters
    ----------
    frame : DataFrame
        Rows of one group, as for :func:`compare_trajectories`.
    name : str
        The scalar's column.
    window : int
        Steps in a window.
    last : int
        The last step of the last window: of the longest run, so that its curve ends with the mean that tables
        have. The first window may be shorter.

    Returns
    -------
    DataFrame
        One row per window: step (mean of its steps), mean, least, most over the runs' own means, and runs.
    """
    rows = frame[["run_id", "step", name]].dropna()
    windows = rows.assign(window=-((last - rows["step"]) // window))
    of_runs = windows.groupby(["run_id", "window"], as_index=False)[["step", name]].mean()
    return of_runs.groupby("window").agg(
        step=("step", "mean"),
        mean=(name, "mean"),
        least=(name, "min"),
        most=(name, "max"),
        runs=(name, "size"),
    )


def _label(rows: "pd.DataFrame", having: dict[str, set[str]]) -> str:
    """Name of a group with the number of its runs that have a value."""
    seeds = rows.loc[rows[[*having]].notna().any(axis=1), "run_id"].nunique()
    return f"{rows['group'].iloc[0]} ({seeds} seed{'s' * (seeds != 1)})"


def _draw_group(axis: "Axes", curve: "pd.DataFrame", number: int, label: str) -> None:
    if curve.empty:
        return
    look = style.line(number)
    # so that markers of different groups do not coincide
    every = (number % 5, max(1, len(curve) // 8))
    axis.plot(
        curve["step"], curve["mean"], **look, linewidth=1.3, markersize=3.5, markevery=every, label=label
    )
    if (curve["runs"] > 1).any():
        axis.fill_between(
            curve["step"], curve["least"], curve["most"], color=look["color"], alpha=0.18, linewidth=0
        )


def _add_epochs(axis: "Axes", frame: "pd.DataFrame") -> None:
    """Add a second axis of epochs, if all runs have the same number of steps per epoch."""
    if "epoch" not in frame:
        return
    paces = (frame["epoch"] / frame["step"]).dropna()
    if paces.empty or paces.max() - paces.min() > 1e-6 * paces.max():
        return
    pace = float(paces.iloc[0])

    functions = (lambda step: step * pace), (lambda epoch: epoch / pace)
    axis.secondary_xaxis("top", functions=functions).set_xlabel("epoch")
