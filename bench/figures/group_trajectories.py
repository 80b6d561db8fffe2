"""M and k by step of groups of runs, over their seeds."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import style
from bench.figures.trajectory_axes import WINDOWS, describe_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def compare_trajectories(frame: "pd.DataFrame", path: Path, title: str) -> list[Path]:
    """Draw M above k by step for groups of runs: the mean over seeds, and the band from min to max.

    Each run is first averaged over windows of steps, a hundredth of the longest run; the legend has the
    number of steps. A second axis has epochs where a step is the same part of an epoch in every run.

    Parameters
    ----------
    frame : DataFrame
        One row per run and step: run_id, group, seed, step, epoch, M, k; M and k may be missing. Rows
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
            for number, group in enumerate(drawn):
                _draw_group(axis, frame[frame["group"] == group], name, window, number)
            describe_axis(axis, name)
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


def over_seeds(frame: "pd.DataFrame", name: str, window: int) -> "pd.DataFrame":
    """Average one group's runs over windows of steps, and compare the runs in each window.

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
        One row per window: step (mean of its steps), mean, least, most over the runs' own means, and runs.
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


def _draw_group(axis: "Axes", rows: "pd.DataFrame", name: str, window: int, number: int) -> None:
    curve = over_seeds(rows, name, window)
    if curve.empty:
        return
    look = style.line(number)
    seeds = rows.loc[rows[name].notna(), "run_id"].nunique()
    # so that markers of different groups do not coincide
    every = (number % 5, max(1, len(curve) // 8))
    label = f"{rows['group'].iloc[0]} ({seeds} seed{'s' * (seeds != 1)})"
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
