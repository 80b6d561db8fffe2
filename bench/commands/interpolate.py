"""``bench interpolate``: draw interpolations between latents or codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import OutFile, Real, Seed, from_checkpoint, moved_data
from bench.commands.output import Report, reporting
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.runs.generator import TrainedGenerator

MOST_IMAGES = 10_000


@dataclass(frozen=True)
class Paths:
    """The paths that are asked for, by the options of the command."""

    path: str
    rows: int
    steps: int
    seed: int
    data: Path | None


@dataclass(frozen=True)
class Drawn:
    """Images (rows, columns, C, H, W); what is reported of their inversion, as data and as a line of text."""

    images: "Tensor"
    inversion: Mapping[str, object]
    text: str = ""


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
    help="samples: latents and the generator; reals: codes of real images and their decoder.",
)
@click.option(
    "--invert",
    is_flag=True,
    help="With --between reals: latents of real images, found by Adam on the generator; needs no encoder.",
)
@click.option("--invert-steps", type=click.IntRange(1, 100_000), help="Steps of Adam.  [default: 300]")
@click.option(
    "--invert-rate",
    type=Real(0, 1000, min_open=True),
    help="Learning rate of Adam.  [default: 0.05]",
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
    invert: bool,
    invert_steps: int | None,
    invert_rate: float | None,
    rows: int,
    steps: int,
    seed: int,
    checkpoint: str,
    data: Path | None,
    out: Path | None,
) -> Report:
    """Draw interpolations between images into one PNG.

    Each row is a path, between samples or between real images. A path between samples of a conditional
    run has one class: row after row, the classes in turn. With --invert, so has a path between real images,
    and the real images stand at both ends of the row.

    RUN is an id or name, a unique beginning, or `last`.
    """
    from bench.figures.grid import check_png, save_grid
    from bench.runs.generator import load

    if out is not None:
        check_png(out)
    if rows * steps > MOST_IMAGES:
        raise RequestError(f"--rows {rows} and --steps {steps} are more than {MOST_IMAGES:,} images")
    _check_inversion(between, invert, invert_steps, invert_rate)
    trained, asked = load(run, checkpoint), Paths(path, rows, steps, seed, data)
    if trained.makes_points:
        name = trained.run.describe().name
        raise RequestError(f"run {name} makes 2-D points: bench interpolate draws images")
    if invert:
        drawn, kind = _between_inverted(trained, asked, invert_steps, invert_rate), "inverted"
    else:
        drawn, kind = Drawn(_between(trained, between, asked), {}), between
    name = f"interpolation-{kind}-{path}-step-{trained.step:08d}-seed-{seed}.png"
    file = out or trained.run.figures / name
    save_grid(drawn.images.flatten(0, 1), file, columns=drawn.images.shape[1])
    report = {"run_id": trained.run.id, "step": trained.step, "between": between, "path": path}
    report |= {"rows": rows, "steps": steps, "seed": seed, "file": str(file)}
    return Report({**report, **drawn.inversion}, f"{file}{drawn.text}")


def _check_inversion(between: str, invert: bool, steps: int | None, rate: float | None) -> None:
    """Raise RequestError if options of an inversion do not go with the others."""
    if invert and between != "reals":
        raise RequestError("--invert is an option of --between reals: latents of samples are known")
    for name, value in (("--invert-steps", steps), ("--invert-rate", rate)):
        if value is not None and not invert:
            raise RequestError(f"{name} is an option of --invert")


def _between(trained: "TrainedGenerator", between: str, asked: Paths) -> "Tensor":
    if between == "samples":
        if asked.data is not None:
            raise RequestError("--data is an option of --between reals: samples need no data")
        pairs = trained.pairs_of_latents(asked.rows, asked.seed)
        return trained.interpolate(*pairs, asked.steps, asked.path)
    from bench.figures.of_run import some_reals
    from bench.runs.data_location import samples_of

    if not trained.encodes:
        name = trained.variant.name
        raise RequestError(
            f"--between reals: {name} has no encoder; allowed are --invert and --between samples"
        )
    rows = asked.rows
    real = some_reals(samples_of(trained.run.describe(), asked.data), 2 * rows, asked.seed)
    images = trained.interpolate_images(real[:rows], real[rows:], asked.steps, asked.path)
    assert images is not None
    return images


def _between_inverted(
    trained: "TrainedGenerator", asked: Paths, steps: int | None, rate: float | None
) -> Drawn:
    """Draw rows of a real image, samples on the path between the latents found for both, the other image."""
    import torch

    from bench.figures.of_run import some_reals, some_reals_of
    from bench.runs import inversion
    from bench.runs.data_location import samples_of

    array, rows, names = samples_of(trained.run.describe(), asked.data), asked.rows, trained.class_names
    labels = [row % len(names) for row in range(rows)] * 2 if names else None
    if labels is None:
        reals = some_reals(array, 2 * rows, asked.seed)
    else:
        reals = some_reals_of(array, labels, asked.seed)
    steps = inversion.STEPS if steps is None else steps
    rate = inversion.LEARNING_RATE if rate is None else rate
    found = trained.invert(reals, labels, steps, rate, asked.seed)
    images = trained.interpolate(found.latents[:rows], found.latents[rows:], asked.steps, asked.path)
    mean, most = found.errors.mean().item(), found.errors.max().item()
    return Drawn(
        torch.cat((reals[:rows, None], images, reals[rows:, None]), dim=1),
        {
            "invert_steps": steps,
            "invert_rate": rate,
            "error_per_pixel": mean,
            "errors_per_pixel": found.errors.tolist(),
        },
        f"\n|x - G(z)| per pixel, of values in [-1, 1]: {mean:.4f}, at most {most:.4f} ({2 * rows} images, "
        f"{steps:,} steps of Adam at {rate:g})",
    )
