"""``bench interpolate``: draw interpolations between latents or codes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import OutFile, Seed, from_checkpoint, moved_data
from bench.commands.output import Report, reporting
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.runs.generator import TrainedGenerator

MOST_IMAGES = 10_000


@click.command("interpolate")
@click.argument("run", type=names.Run)
@click.option(
    "--path",
    "path",
    type=click.Choice(["linear", "slerp"]),
    default="linear",
    show_default=True,
    help="Interpolation: straight line or great circle.",
)
@click.option(
    "--between",
    type=click.Choice(["samples", "reals"]),
    default="samples",
    show_default=True,
    help="samples: latents and the generator; reals: codes of real images and the discriminator's decoder.",
)
@click.option("--rows", type=click.IntRange(1, 1000), default=8, show_default=True, help="Paths.")
@click.option("--steps", type=click.IntRange(2, 1000), default=10, show_default=True, help="Images per path.")
@click.option("--seed", type=Seed, default=0, show_default=True, help="Seed of the end points.")
@from_checkpoint
@moved_data
@click.option(
    "--out",
    metavar="FILE.png",
    type=OutFile(),
    help="[default: interpolation-BETWEEN-PATH-step-N-seed-S.png in the run's figures]",
)
@reporting
def command(
    run: str,
    path: str,
    between: str,
    rows: int,
    steps: int,
    seed: int,
    checkpoint: str,
    data: Path | None,
    out: Path | None,
) -> Report:
    """Draw interpolations between images into one PNG.

    Each row is a path, between samples or between real images. A path between samples of a conditional
    run has one class: row after row, the classes in turn.

    RUN is an id or name, a unique beginning, or `last`.
    """
    from bench.figures.grid import check_png, save_grid
    from bench.runs.generator import load

    if out is not None:
        check_png(out)
    if rows * steps > MOST_IMAGES:
        raise RequestError(f"--rows {rows} and --steps {steps} are more than {MOST_IMAGES:,} images")
    trained = load(run, checkpoint)
    if trained.makes_points:
        name = trained.run.describe().name
        raise RequestError(f"run {name} makes 2-D points: bench interpolate draws images")
    images = _between(trained, between, path, rows, steps, seed, data)
    name = f"interpolation-{between}-{path}-step-{trained.step:08d}-seed-{seed}.png"
    file = out or trained.run.figures / name
    save_grid(images.flatten(0, 1), file, columns=steps)
    report = {
        "run_id": trained.run.id,
        "step": trained.step,
        "between": between,
        "path": path,
        "rows": rows,
        "steps": steps,
        "seed": seed,
        "file": str(file),
    }
    return Report(report, str(file))


def _between(
    trained: "TrainedGenerator",
    between: str,
    path: str,
    rows: int,
    steps: int,
    seed: int,
    data: Path | None,
) -> "Tensor":
    if between == "samples":
        if data is not None:
            raise RequestError("--data is an option of --between reals: samples need no data")
        return trained.interpolate(*trained.pairs_of_latents(rows, seed), steps, path)
    from bench.figures.of_run import some_reals
    from bench.runs.data_location import samples_of

    if not trained.encodes:
        name = trained.variant.name
        raise RequestError(f"--between reals: {name} has no encoder; allowed is --between samples")
    real = some_reals(samples_of(trained.run.describe(), data), 2 * rows, seed)
    images = trained.interpolate_images(real[:rows], real[rows:], steps, path)
    assert images is not None
    return images
