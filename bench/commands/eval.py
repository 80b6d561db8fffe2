"""``bench eval``: measure a run's checkpoint again."""

import click

from bench.commands.options import from_checkpoint
from bench.commands.output import Report, reporting, table


@click.command("eval")
@click.argument("run")
@click.option(
    "--metrics",
    metavar="NAME[,NAME...]",
    help="What to measure; without it all that this version's judge measures.",
)
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(100, 100_000_000),
    help="Generated samples; without it as the run's evaluations.",
)
@click.option(
    "--eval-seeds",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Draws of latents; with several, their mean and standard deviation are told.",
)
@from_checkpoint
@reporting
def command(run: str, metrics: str | None, samples: int | None, eval_seeds: int, checkpoint: str) -> Report:
    """Measure a checkpoint again, and compare with the record where the protocol is the same.

    RUN is an id, a unique prefix of one, a name or `last`. Nothing is recorded. Beside each value stands what
    held-out real samples score.
    """
    from bench.execution.progress import Progress
    from bench.execution.reevaluation import reevaluate
    from bench.runs.run_folder import find

    folder = find(run)
    names = list(dict.fromkeys(name.strip() for name in (metrics or "").split(",") if name.strip()))
    quiet = click.get_current_context().obj["json"]
    result = reevaluate(folder, Progress(quiet=quiet), checkpoint, names, samples, eval_seeds)
    columns = {"measured now": result.values}
    if result.spread:
        columns["±"] = result.spread
    columns |= {f"real, of {result.held_out:,} held out": result.real, "recorded": result.recorded}
    rows = [(name, *(column.get(name) for column in columns.values())) for name in result.values]
    head = [
        ("run", f"{folder.describe().name}  (id {folder.id})"),
        ("checkpoint", f"step {result.step:,}"),
    ]
    head += [("judged by", protocol) for protocol in dict.fromkeys(result.protocols.values())]
    data = {
        "run_id": folder.id,
        "name": folder.describe().name,
        "step": result.step,
        "eval_seeds": eval_seeds,
        "values": result.values,
        "spread": result.spread,
        "real": result.real,
        "held_out": result.held_out,
        "metric.protocol": result.protocols,
        "recorded": result.recorded,
    }
    return Report(data, table(head) + "\n\n" + table(rows, ("", *columns)))
