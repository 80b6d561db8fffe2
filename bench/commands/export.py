"""``bench export``: export the generator of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import OutFile, from_checkpoint
from bench.commands.output import Report, reporting, table

if TYPE_CHECKING:
    from bench.runs.generator import TrainedGenerator


@click.command("export")
@click.argument("run", type=names.Run)
@from_checkpoint
@click.option(
    "--out",
    metavar="FILE",
    type=OutFile(),
    help="FILE.pt2 (torch.export) or FILE.onnx [default: generator-step-N.pt2 in the run's folder].",
)
@reporting
def command(run: str, checkpoint: str, out: Path | None) -> Report:
    """Export the generator of a run as a program of its own.

    The program needs neither this project nor the checkpoint.

    RUN is an id or name, a unique beginning, or `last`. The program maps latents (any number,
    latent_dim) to images or points. Its output is compared with the generator's before the file appears.
    The file holds its prior, latent size, range of values, classes and origin: `metadata_props` of .onnx,
    `generator.json` within .pt2. Four lines of Python are printed that run the file.
    """
    from bench.runs.export import TOLERANCE, check_suffix
    from bench.runs.generator import load
    from bench.runs.prior import text_of

    if out is not None:
        check_suffix(out)
    trained = load(run, checkpoint)
    path = out or trained.run.path / f"generator-step-{trained.step:08d}.pt2"
    facts = trained.export(path)
    snippet = facts.snippet(path)
    data = {
        "run_id": trained.run.id,
        "step": trained.step,
        "file": str(path),
        "input": ["batch", facts.latent_dim],
        "output": ["batch", *trained.sample_shape],
        "tolerance": TOLERANCE,
        "metadata": facts.properties(),
        "snippet": snippet,
    }
    shape = " x ".join(map(str, trained.sample_shape))
    what = "points" if trained.makes_points else "images"
    head = [
        ("file", str(path)),
        ("from", f"{facts.run}, step {facts.step:,}{_selection(trained, checkpoint)}"),
        ("maps", f"latents N x {facts.latent_dim} to {what} N x {shape}, any N; checked to {TOLERANCE}"),
        ("latents", text_of(facts.prior)),
    ]
    return Report(data, f"{table(head)}\n\nTo run the file, in Python:\n\n{snippet}")


def _selection(trained: "TrainedGenerator", checkpoint: str) -> str:
    """Return by what the checkpoint was selected, and the last one if that is another."""
    from bench.runs.checkpoint_names import checkpoint_file

    last = int(checkpoint_file(trained.run, "last").stem.removeprefix("step-"))
    if last == trained.step:
        return ", the last checkpoint"
    word, _, scalar = checkpoint.partition("-")
    if word != "best":
        return ""
    metric = scalar or trained.run.describe().metric
    return f": the best by {metric}; --checkpoint last exports step {last:,}"
