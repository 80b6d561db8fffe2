"""``bench sample``: draw samples of a run."""

from pathlib import Path

import click

from bench.commands.options import OutFile, Seed, from_checkpoint
from bench.commands.output import Report, reporting


@click.command("sample")
@click.argument("run")
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    help="Number of images, ten per row [default: 100], or of points [default: 2,000].",
)
@click.option("--seed", type=Seed, default=0, show_default=True, help="Seed of the latents.")
@from_checkpoint
@click.option(
    "--out",
    metavar="FILE.png",
    type=OutFile(),
    help="[default: samples-step-N-seed-S.png in the run's figures]",
)
@reporting
def command(run: str, count: int | None, seed: int, checkpoint: str, out: Path | None) -> Report:
    """Draw unselected samples of a run's generator into one PNG.

    RUN is an id, a unique prefix of one, a name or `last`.
    """
    from bench.figures.grid import check_png
    from bench.figures.of_run import data_of
    from bench.figures.pictures import save_samples
    from bench.runs.generator import load
    from bench.training.trainer import Plan

    if out is not None:
        check_png(out)
    trained = load(run, checkpoint)
    path = out or trained.run.figures / f"samples-step-{trained.step:08d}-seed-{seed}.png"
    count = count or (Plan.grid_points if trained.makes_points else Plan.grid_images)
    modes = data_of(trained.run).modes if trained.makes_points else None
    save_samples(trained.sample(count, seed), path, modes)
    data = {
        "run_id": trained.run.id,
        "step": trained.step,
        "count": count,
        "seed": seed,
        "file": str(path),
    }
    return Report(data, str(path))
