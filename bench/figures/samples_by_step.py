"""Samples of several runs as training went on, from the sample pictures that they saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.figures.grid import read_grid, tiled
from bench.figures.panels import draw_panels
from bench.figures.points import read_points
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 4  # images in a row and in a column of a cell
MOST_STEPS = 4
BY_STEP = "samples as training went on"  # what the figure shows, for its title


def judged_steps(run: RunFolder) -> list[int]:
    """Return the steps whose sample picture a run has, rising."""
    names = (path.stem.partition("-")[2] for path in run.samples.glob("step-*.png"))
    return sorted(int(name) for name in names if name.isdigit())


def shared_steps(runs: Sequence[RunFolder], most: int = MOST_STEPS) -> list[int]:
    """Return at most so many steps, evenly spread, whose pictures all runs have, or else any run has."""
    each = [set(judged_steps(run)) for run in runs]
    steps = sorted(set.intersection(*each) or set.union(*each)) if each else []
    if len(steps) <= most:
        return steps
    places = np.linspace(0, len(steps) - 1, most).round().astype(int)
    return [steps[place] for place in places]


def draw_samples_by_step(
    runs: Sequence[RunFolder], steps: Sequence[int], title: str = "", names: Sequence[str] = ()
) -> "Figure":
    """Draw a row of small pictures for each run, a column for each step.

    Each cell is the upper left corner of the run's grid of images at that step, or its points; a run's
    latents are the same at every step.

    Parameters
    ----------
    runs : sequence of RunFolder
        The runs, at least one; images of several may differ in size.
    steps : sequence of int
        Evaluated steps, at least one. A run without a picture at a step has an empty cell there.
    title : str
        Title of the figure.
    names : sequence of str, optional
        Name of each run, before its seed; its variant where not given.

    Raises
    ------
    RequestError
        If no run has a picture at one of the steps; the message names the steps there are.
    WorkError
        If a grid cannot be read.
    """
    check_steps(runs, steps)
    rows, labels = [], []
    for place, run in enumerate(runs):
        config = run.describe().config
        rows.append([_cell(run, step, config.image_size) for step in steps])
        labels.append(f"{names[place] if names else config.variant}\nseed {config.seed}")
    return draw_panels(rows, title, [f"step {step:,}" for step in steps], labels)


def check_steps(runs: Sequence[RunFolder], steps: Sequence[int] | None) -> None:
    """Refuse steps at which no run has a sample grid.

    Raises
    ------
    RequestError
        If no run has a picture at one of the steps; the message names the steps there are.
    """
    known = sorted({step for run in runs for step in judged_steps(run)})
    for step in steps or ():
        if step not in known:
            there = ", ".join(map(str, known)) or "none"
            raise RequestError(f"step {step} has no sample grid in any of the runs: there are {there}")


def grid_path(run: RunFolder, step: int) -> Path:
    """Return the file of the sample picture of an evaluation, which may be absent."""
    return run.samples / f"step-{step:08d}.png"


def _cell(run: RunFolder, step: int, image_size: int | None) -> np.ndarray | None:
    path = grid_path(run, step)
    if not path.exists():
        return None
    if image_size is None:
        return read_points(path)
    grid = read_grid(path, image_size)[:SIDE, :SIDE]
    return tiled(grid.reshape(-1, *grid.shape[2:]), grid.shape[1])
