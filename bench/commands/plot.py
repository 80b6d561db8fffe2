"""``bench plot``: draw the figures of runs, or of a comparison."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bench.commands import names
from bench.commands.options import SELECTION, OutFolder, moved_data, selection
from bench.commands.output import Report, reporting
from bench.system.errors import RequestError, shown

if TYPE_CHECKING:
    from bench.runs.run_folder import RunFolder

FEW, FRAMES = 5, 20  # frames of a progress picture: so few are no film, and how many would be one


@click.command("plot")
@click.argument("runs", nargs=-1, metavar="[RUN...]", type=names.Run)
@selection
@click.option(
    "--steps",
    metavar="N,N,...",
    help="Steps of the samples in a comparison [default: four that all runs have].",
)
@click.option(
    "--checkpoint",
    metavar="NAME",
    help="For single runs: best (by Frechet distance), best-NAME (by a training scalar NAME that selects), "
    "last or a step [default: best].",
)
@moved_data
@click.option(
    "--animation",
    type=click.Choice(["webp", "gif", "none"]),
    help="For single runs: format of `progress`, the samples of the same latents at each evaluation, and "
    "`walk`, a walk through the latents [default: webp].",
)
@click.option(
    "--out",
    metavar="DIR",
    type=OutFolder(),
    help="Folder of the figures; with several RUNs it gets a subfolder per run. Required for a comparison "
    "[default: the figures folder of each run].",
)
@reporting
def command(
    runs: tuple[str, ...],
    steps: str | None,
    checkpoint: str | None,
    animation: Literal["webp", "gif", "none"] | None,
    data: Path | None,
    out: Path | None,
    **selection: str | None,
) -> Report:
    """Draw figures of runs, or of a comparison over seeds.

    Of each RUN this also draws two animated pictures: `progress` shows the samples of the same latents at
    every evaluation, `walk` the images along a closed path through the latents of the checkpoint.

    RUN is an id or name, a unique beginning, or `last`. With a selection instead of RUNs, the figures show
    training scalars over seeds, and samples during training.
    """
    chosen = [name for name in SELECTION if selection[name] is not None]
    if runs:
        if chosen or steps is not None:
            option = chosen[0] if chosen else "steps"
            raise RequestError(f"--{option} is an option of comparisons: give either RUNs or a selection")
        return _each(runs, checkpoint or "best", animation or "webp", data, out)
    if not chosen:
        words = ", ".join(f"--{name}" for name in SELECTION)
        raise RequestError(f"nothing to plot: give a RUN, or a selection by {words}")
    for name, value in (("checkpoint", checkpoint), ("animation", animation), ("data", data)):
        if value is not None:
            raise RequestError(f"--{name} is an option of single runs: a comparison shows whole runs")
    if out is None:
        raise RequestError("a comparison needs a folder for its figures: give --out DIR")
    return _comparison(selection, _numbers(steps), out)


def _each(
    words: tuple[str, ...],
    checkpoint: str,
    animation: Literal["webp", "gif", "none"],
    data: Path | None,
    out: Path | None,
) -> Report:
    from bench.figures.animations import draw_animations
    from bench.figures.of_run import draw_run
    from bench.runs.checkpoint_names import checkpoint_file
    from bench.runs.data_location import samples_of
    from bench.runs.generator import load
    from bench.runs.run_folder import find

    runs: dict[str, RunFolder] = {}
    for word in words:
        run = find(word)
        checkpoint_file(run, checkpoint)
        runs[run.id] = run
    # all of them before anything is drawn
    arrays = {run.id: samples_of(run.describe(), data) for run in runs.values()}
    files: list[str] = []
    notes: list[str] = []
    for run in runs.values():
        folder = out / run.describe().name if out and len(runs) > 1 else out
        files += map(str, draw_run(run, checkpoint, folder, arrays[run.id]))
        if animation != "none":
            drawn = draw_animations(load(run, checkpoint), folder or run.figures, animation)
            files += map(str, drawn)
            notes += _of_few_frames(run, animation)
    return Report({"files": files, "notes": notes}, "\n".join([*files, *([""] if notes else []), *notes]))


def _of_few_frames(run: "RunFolder", animation: str) -> list[str]:
    """Return a sentence on how a progress picture gets more frames, if it has few; a list of one or none."""
    from bench.figures.samples_by_step import judged_steps
    from bench.runs.generator import configuration_of

    description = run.describe()
    frames, steps = len(judged_steps(run)), description.config.steps
    often = max(1, steps // FRAMES)
    if frames >= FEW or often >= (configuration_of(description).harness.eval_every or steps):
        return []
    return [
        f"progress.{animation} of {description.name}: {frames} frame{'s' * (frames != 1)}, one per "
        f"evaluation; a run with --set eval_every={often} has more"
    ]


def _comparison(selection: dict[str, str | None], steps: list[int] | None, out: Path) -> Report:
    from bench.comparing.frame import results
    from bench.figures.of_comparison import draw_comparison

    frame = results(select="last", **selection)
    files = list(map(str, draw_comparison(frame, out, steps)))
    if not files:
        raise RequestError("the selected runs have neither steps nor samples to draw")
    return Report({"files": files}, "\n".join(files))


def _numbers(words: str | None) -> list[int] | None:
    if words is None:
        return None
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise RequestError(f"--steps {shown(words)}: write whole numbers separated by commas") from None
