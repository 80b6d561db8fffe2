"""``bench sample``: draw samples of a run."""

from pathlib import Path

import click

from bench.commands import names
from bench.commands.options import OutFile, Seed, from_checkpoint
from bench.commands.output import Report, reporting
from bench.system.errors import RequestError

MOST = 10_000


@click.command("sample")
@click.argument("run", type=names.Run)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="CLASS",
    help="Number or name of a class, of a conditional run; repeatable: a row for each class "
    "[default: all classes].",
)
@click.option(
    "--count",
    type=click.IntRange(1, MOST),
    help="Number of images, ten per row [default: 100], or of points [default: 2,000]. Of several classes: "
    "images in the row of each [default: 10].",
)
@click.option("--seed", type=Seed, default=0, show_default=True, help="Seed of the latents.")
@from_checkpoint
@click.option(
    "--out",
    metavar="FILE.png",
    type=OutFile(),
    help="[default: samples-step-N-seed-S.png in the run's figures; of one class samples-class-C-...]",
)
@reporting
def command(
    run: str, classes: tuple[str, ...], count: int | None, seed: int, checkpoint: str, out: Path | None
) -> Report:
    """Draw unselected samples of a run into one PNG.

    RUN is an id or name, a unique beginning, or `last`. Images of a conditional run have a row for each
    class, with the same z in every row.
    """
    from bench.figures.grid import check_png
    from bench.figures.pictures import save_samples
    from bench.runs.class_rows import COLUMNS, classes_shown
    from bench.runs.data_location import samples_of
    from bench.runs.generator import load
    from bench.training.plan import Plan

    if out is not None:
        check_png(out)
    trained = load(run, checkpoint)
    labels = list(dict.fromkeys(map(trained.class_number, classes)))
    if trained.class_names and not classes and not trained.makes_points:
        labels = classes_shown(len(trained.class_names))
    in_rows = len(labels) > 1 and not trained.makes_points
    usual = Plan.grid_points if trained.makes_points else COLUMNS if in_rows else Plan.grid_images
    count = count or usual
    if count * max(1, len(labels)) > MOST and in_rows:
        raise RequestError(f"--count {count} of {len(labels)} classes are more than {MOST:,} images")
    if trained.makes_points and labels:
        # the points of all classes together are as many as asked for
        samples = trained.sample_classes(labels, -(-count // len(labels)), seed)
    else:
        samples = trained.sample_classes(labels, count, seed) if labels else trained.sample(count, seed)
    of_classes = "-".join(["class", *map(str, labels)]) + "-" if classes else ""
    name = f"samples-{of_classes}step-{trained.step:08d}-seed-{seed}.png"
    path = out or trained.run.figures / name
    modes = samples_of(trained.run.describe()).modes if trained.makes_points else None
    names = [trained.class_names[label] for label in labels]
    save_samples(samples, path, modes, count if in_rows else 10, names if in_rows else ())
    data = {
        "run_id": trained.run.id,
        "step": trained.step,
        "count": len(samples),
        "classes": names,
        "seed": seed,
        "file": str(path),
    }
    return Report(data, str(path))
