"""Figures that compare runs: their scalars over seeds, and samples as training went on."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets import label
from bench.figures import style
from bench.figures.group_trajectories import compare_trajectories
from bench.figures.samples_by_step import (
    BY_STEP,
    check_steps,
    draw_samples_by_step,
    judged_steps,
    shared_steps,
)
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import RequestError

if TYPE_CHECKING:
    import pandas as pd

    from variants.scalars import TrainingScalar

MOST_ROWS = 8  # of the figure of samples: what fits on a page


def draw_comparison(frame: "pd.DataFrame", folder: Path, steps: Sequence[int] | None = None) -> list[Path]:
    """Draw a comparison of runs: ``trajectories`` and ``samples-by-step``, each as PNG and SVG.

    Each of several data sets has its own figures, with its name after the figure's. Of several runs with the
    same group and seed only the newest counts. The samples are those of the first 8 groups' lowest seeds.

    Parameters
    ----------
    frame : DataFrame
        One row per run, as returned by :func:`bench.comparing.frame.results`; a column ``group`` is used if
        there is one.
    folder : Path
        Destination; a missing folder is created.
    steps : sequence of int, optional
        Steps whose samples are shown; a few that all runs have, evenly spread, where not given.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    RequestError
        If there are no runs, or none has samples at one of the steps; nothing is drawn then.
    """
    from bench.comparing.frame import trajectories
    from bench.comparing.groups import once_per_seed, with_groups

    if frame.empty:
        raise RequestError("there are no runs to compare")
    kept = once_per_seed(frame if "group" in frame else with_groups(frame))[0]
    kept = kept.sort_values(["group", "seed"], kind="stable")
    sets = list(dict.fromkeys(kept["dataset"]))
    chosen = {name: _runs_of_samples(kept[kept["dataset"] == name]) for name in sets}
    check_steps([run for runs in chosen.values() for run in runs.values()], steps)
    files = []
    for name in sets:
        part = kept[kept["dataset"] == name]
        ending = f"-{re.sub(r'[^A-Za-z0-9.]+', '-', name)}" if len(sets) > 1 else ""
        drawn = drawn_scalars(part)
        path = folder / f"trajectories{ending}"
        files += compare_trajectories(trajectories(part), drawn, path, _title(part, drawn, name))
        runs = list(chosen[name].values())
        if here := steps_of(runs, steps):
            figure = draw_samples_by_step(runs, here, f"{label(name)}: {BY_STEP}", [*chosen[name]])
            files += style.save(figure, folder / f"samples-by-step{ending}")
    return files


def drawn_scalars(frame: "pd.DataFrame") -> "list[TrainingScalar]":
    """Return the scalars that a comparison draws: those that have a panel of their own in a run's figure."""
    from bench.comparing.scalars import of_runs

    return [scalar for scalar in of_runs(frame).values() if scalar.panel is not None]


def steps_of(runs: Sequence[RunFolder], steps: Sequence[int] | None) -> list[int]:
    """Return the given steps that one of the runs has; without given steps, those that all runs share."""
    if steps is None:
        return shared_steps(runs)
    known = {step for run in runs for step in judged_steps(run)}
    return [step for step in steps if step in known]


def _runs_of_samples(frame: "pd.DataFrame") -> dict[str, RunFolder]:
    """Return the lowest seed of each group, by the group's name with a line break before its knobs."""
    first = frame.drop_duplicates("group").head(MOST_ROWS)
    return {
        str(group).replace(" (", "\n("): RunFolder(paths.runs() / str(run_id))
        for group, run_id in zip(first["group"], first["run_id"], strict=True)
    }


def _title(frame: "pd.DataFrame", drawn: "Sequence[TrainingScalar]", dataset: str) -> str:
    from bench.comparing.comparable import differences, spelt

    title = f"{label(dataset)}: training over seeds"
    for scalar in drawn:
        if facts := differences(frame, scalar.name):
            told = " or ".join(map(spelt, facts))
            title += f"\n{scalar.name} of runs that differ in {told}: compare its course, not its values"
    return title
