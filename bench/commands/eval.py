"""``bench eval``: re-evaluate a checkpoint of a run."""

from pathlib import Path

import click

from bench.commands import names
from bench.commands.options import from_checkpoint, moved_data
from bench.commands.output import Report, progress, reporting, table


@click.command("eval")
@click.argument("run", type=names.Run)
@click.option(
    "--metrics",
    metavar="NAME[,NAME...]",
    help="Metrics, separated by commas, also those measured on request only, such as ndb, rke, "
    "sliced_wasserstein and fid_infinity [default: those of every evaluation].",
)
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(100, 100_000_000),
    help="Generated samples [default: as many as in the run's evaluations].",
)
@click.option(
    "--eval-seeds",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Draws of latents; with several, mean and standard deviation are reported.",
)
@click.option(
    "--extractor",
    metavar="NAME",
    help="Judge by this extractor, such as inception or shipped [default: the run's own].",
)
@from_checkpoint
@moved_data
@reporting
def command(
    run: str,
    metrics: str | None,
    samples: int | None,
    eval_seeds: int,
    checkpoint: str,
    data: Path | None,
    extractor: str | None,
) -> Report:
    """Measure a checkpoint of a run again.

    The values are compared with the recorded ones if the protocol is the same. RUN is an id or name, a unique
    beginning, or `last`. Nothing is recorded. The table also has the scores of held-out real samples, and
    where there are samples outside the training data, such as a published test split, the distance to these.
    A run that was trained without a judge needs --extractor.
    """
    from bench.execution.reevaluation import reevaluate
    from bench.runs.run_folder import find

    folder = find(run)
    names = list(dict.fromkeys(name.strip() for name in (metrics or "").split(",") if name.strip()))
    result = reevaluate(folder, progress(), checkpoint, names, samples, eval_seeds, data, extractor)
    description = folder.describe()
    header, rows = result.table("measured now", {"recorded": result.recorded})
    head = [
        ("run", f"{description.name}  (id {folder.id})"),
        ("checkpoint", f"step {result.step:,}"),
        *result.facts,
        ("other than recorded", "; ".join(result.differences) or "nothing"),
    ]
    parts = [table(head), table(rows, header)]
    if result.beside:
        own = [(name, value, description.real.get(name)) for name, value in result.beside.items()]
        parts.append(f"Recorded, by {description.protocol}:\n" + table(own, ("", "recorded", "real")))
    report = {
        "run_id": folder.id,
        "name": description.name,
        "step": result.step,
        "eval_seeds": eval_seeds,
        **result.data(),
        "recorded": result.recorded,
        "beside": result.beside,
        "differences": result.differences,
    }
    return Report(report, "\n\n".join(parts))
