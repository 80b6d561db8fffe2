"""``bench sample``: draw samples of a run."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import OutFile, Seed, from_checkpoint
from bench.commands.output import Report, reporting
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from bench.runs.generator import TrainedGenerator

FILES = (".png", ".npz")
MOST_SHOWN = 10_000
MOST = 100_000_000


class OutSamples(OutFile):
    """A file to write, or a folder."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Convert a word to a path."""
        path = Path(os.fsdecode(value))
        return path if path.is_dir() and path.suffix not in FILES else super().convert(value, param, ctx)


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
    "--code",
    metavar="NAME",
    help="A code of the latents, of a variant that declares codes: a row for each category, or the code's "
    "range along each row [default: none].",
)
@click.option(
    "--count",
    type=click.IntRange(1, MOST),
    help="Number of images, ten per row [default: 100], or of points [default: 2,000]. Of several classes: "
    "images in the row of each [default: 10]; with --code in each row. In FILE.npz or a folder [default: as "
    "many as the run's evaluations judge].",
)
@click.option(
    "--seed",
    type=Seed,
    help="Seed of the latents [default: 0; in FILE.npz or a folder the run's, as in its evaluations].",
)
@from_checkpoint
@click.option(
    "--out",
    metavar="FILE.png|FILE.npz|FOLDER",
    type=OutSamples(),
    help="A grid, or the samples themselves: an array, or a PNG file for each in a new folder "
    "[default: samples-step-N-seed-S.png in the run's figures; of one class samples-class-C-..., of a code "
    "samples-code-NAME-...]",
)
@reporting
def command(
    run: str,
    classes: tuple[str, ...],
    code: str | None,
    count: int | None,
    seed: int | None,
    checkpoint: str,
    out: Path | None,
) -> Report:
    """Draw unselected samples of a run: a grid, or many in files.

    RUN is an id or name, a unique beginning, or `last`. Images of a conditional run have a row for each
    class, with the same z in every row. FILE.npz and a folder get the samples that the run's evaluations
    judge, with --checkpoint last those of the last one; `bench judge` measures them.
    """
    from bench.execution.sample_export import export_samples, format_of
    from bench.runs.generator import load

    if out is not None and format_of(out) != "png":
        if classes or code:
            option, what = ("class", "of all classes") if classes else ("code", "whatever their codes")
            raise RequestError(
                f"--{option} is an option of grids: {out} gets the samples of evaluations, {what}"
            )
        exported = export_samples(load(run, checkpoint), out, count, seed)
        facts = exported.origin
        data = {
            "run_id": facts.run_id,
            "step": facts.step,
            "count": facts.count,
            "classes": list(facts.classes),
            "seed": facts.seed,
            "file": str(out),
            "judge": exported.judged_again,
        }
        lines = (
            f"{out}  ({facts.count:,} samples of {facts.run}, step {facts.step:,})",
            exported.judged_again,
        )
        return Report(data, "\n".join(lines))
    trained = load(run, checkpoint)
    if code is not None:
        if classes:
            raise RequestError("--code and --class are different grids: give one of them")
        return _draw_code(trained, code, count, seed or 0, out)
    return _draw(trained, classes, count, seed or 0, out)


def _draw_code(
    trained: "TrainedGenerator", name: str, count: int | None, seed: int, out: Path | None
) -> Report:
    """Draw a grid of images that sweeps a code."""
    from bench.figures.grid import save_grid
    from bench.runs.code_sweeps import COLUMNS, code_named, sweep

    code = code_named(trained, name)
    if trained.makes_points:
        raise RequestError(
            f"--code {name}: run {trained.run.describe().name} makes points, grids show images"
        )
    columns = count or COLUMNS
    if columns < 2 or columns * max(code.width, COLUMNS) > MOST_SHOWN:
        raise RequestError(
            f"--count {columns} of a code: allowed are 2 to {MOST_SHOWN // max(code.width, COLUMNS)}"
        )
    swept = sweep(trained, code, columns, seed)
    path = out or trained.run.figures / f"samples-code-{name}-step-{trained.step:08d}-seed-{seed}.png"
    save_grid(swept.samples.flatten(0, 1), path, columns, row_labels=swept.row_labels)
    data = {
        "run_id": trained.run.id,
        "step": trained.step,
        "count": swept.samples.shape[0] * columns,
        "code": name,
        "rows": list(swept.row_labels),
        "seed": seed,
        "file": str(path),
    }
    return Report(data, f"{path}\n{swept.caption}")


def _draw(
    trained: "TrainedGenerator", classes: tuple[str, ...], count: int | None, seed: int, out: Path | None
) -> Report:
    """Draw a grid of images or a plot of points."""
    from bench.figures.pictures import save_samples
    from bench.runs.class_rows import COLUMNS, classes_shown
    from bench.runs.data_location import samples_of
    from bench.training.plan import Plan

    labels = list(dict.fromkeys(map(trained.class_number, classes)))
    if trained.class_names and not classes and not trained.makes_points:
        labels = classes_shown(len(trained.class_names))
    in_rows = len(labels) > 1 and not trained.makes_points
    usual = Plan.grid_points if trained.makes_points else COLUMNS if in_rows else Plan.grid_images
    count = count or usual
    if count > MOST_SHOWN:
        raise RequestError(
            f"--count {count:,} is more than a picture shows, {MOST_SHOWN:,}: --out FILE.npz or a folder "
            "takes them"
        )
    if count * max(1, len(labels)) > MOST_SHOWN and in_rows:
        raise RequestError(f"--count {count} of {len(labels)} classes are more than {MOST_SHOWN:,} images")
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
