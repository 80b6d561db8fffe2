"""``bench track``: rebuild a tracking store from records."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.output import Report, progress, reporting, table
from bench.system.errors import RequestError, WorkError

if TYPE_CHECKING:
    from bench.execution.resending import Sent


@click.command("track")
@click.argument("runs", metavar="[RUN...]", nargs=-1, type=names.Run)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="All runs that were started with tracking, and the parent runs of multiruns and studies.",
)
@reporting
def command(runs: tuple[str, ...], every: bool) -> Report:
    """Send what the tracking store lacks of runs.

    Nothing is sent twice. The store is the one that MLFLOW_TRACKING_URI names, or else that of each run.
    An interrupted run is sent up to its last checkpoint and can still be resumed.
    """
    if bool(runs) == every:
        raise RequestError("track: name runs (an id or name, a unique beginning, or last), or give --all")
    from bench.execution.resending import Sender
    from bench.runs.run_folder import all_runs, find

    named = list({run.id: run for run in map(find, runs)}.values())
    if every:
        named = [run for run in all_runs() if run.describe().tracking is not None]
    sender = Sender(progress())
    try:
        sent = [sender.run(run) for run in named]
        if every:
            from bench.searching.resending import send_studies

            sent += [*sender.multiruns(), *send_studies(sender)]
    finally:
        sender.close()
    return _report(sent)


def _report(sent: "list[Sent]") -> Report:
    missing = [each for each in sent if each.problem]
    if missing:
        problems = "; ".join(f"{each.name}: {each.problem}" for each in missing[:3])
        more = f"; and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise WorkError(f"{len(missing)} of {len(sent)} could not be sent: {problems}{more}")
    rows = [
        (each.kind, each.name, each.store, each.mlflow_run or each.passed_over, each.points, each.files)
        for each in sent
    ]
    text = table(rows, ("", "name", "store", "id in MLflow", "points", "files")) if rows else "no runs"
    return Report({"sent": [asdict(each) for each in sent]}, text)
