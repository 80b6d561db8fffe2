"""``bench eval``: measure a run's checkpoint again."""

import click

from bench.commands.options import from_checkpoint
from bench.commands.output import Report, reporting, table


@click.command("eval")
@click.argument("run")
@click.option(
    "--metrics", metavar="NAME[,NAME...]", help="What to measure; without it what the run's evaluations do."
)
@click.option(
    "--samples", metavar="N", type=int, help="Generated images; without it as the run's evaluations."
)
@from_checkpoint
@reporting
def command(run: str, metrics: str | None, samples: int | None, checkpoint: str) -> Report:
    """Measure a checkpoint again, and compare with the record where the protocol is the same.

    RUN is an id, a unique prefix of one, a name or `last`. Nothing is recorded.
    """
    from bench.progress import Progress
    from bench.remeasurement import remeasure
    from bench.run_folder import find

    folder = find(run)
    names = list(dict.fromkeys(name.strip() for name in (metrics or "").split(",") if name.strip()))
    quiet = click.get_current_context().obj["json"]
    result = remeasure(folder, Progress(quiet=quiet), checkpoint, names, samples)
    rows = [(name, value, result.recorded.get(name)) for name, value in result.values.items()]
    head = [
        ("run", f"{folder.describe()['name']}  (id {folder.id})"),
        ("checkpoint", f"step {result.step:,}"),
    ]
    head += [("judged by", protocol) for protocol in dict.fromkeys(result.protocols.values())]
    data = {
        "run_id": folder.id,
        "name": folder.describe()["name"],
        "step": result.step,
        "values": result.values,
        "metric.protocol": result.protocols,
        "recorded": result.recorded,
    }
    return Report(data, table(head) + "\n\n" + table(rows, ("", "measured now", "recorded")))
