"""``bench verify``: train a run again and compare every recorded number."""

import click

from bench.commands.options import Real
from bench.commands.output import Report, reporting, table


@click.command("verify")
@click.argument("run")
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1, 99_999_999),
    help="Compare no further than this step [default: the whole run on the processor, thread count and torch "
    "of the record, else 5].",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=Real(0, 1),
    help="Largest difference to let pass, relative or (of numbers below 1) absolute [default: 0, bit for "
    "bit, on the processor, thread count and torch of the record, else 0.01].",
)
@reporting
def command(run: str, steps: int | None, tolerance: float | None) -> Report:
    """Run it again from its record and say whether every number came out the same.

    RUN is an id, a unique prefix of one, a name or `last`. Exit status 1 names the first step that differs.
    """
    from bench.progress import Progress
    from bench.run_folder import find
    from bench.verification import verify

    folder = find(run)
    quiet = click.get_current_context().obj["json"]
    result = verify(folder, Progress(quiet=quiet), steps, tolerance)
    name = folder.describe()["name"]
    how = "bit for bit" if result.exact else f"within {result.tolerance:g}"
    rows = [
        ("run", f"{name}  (id {folder.id})"),
        ("the same", how),
        ("compared", f"{result.steps:,} steps, {result.numbers:,} numbers, {result.checkpoints} checkpoints"),
        *[("note", note) for note in result.notes],
    ]
    data = {
        "run_id": folder.id,
        "name": name,
        "same": True,
        "exact": result.exact,
        "tolerance": result.tolerance,
        "steps": result.steps,
        "numbers": result.numbers,
        "checkpoints": result.checkpoints,
        "notes": result.notes,
    }
    return Report(data, table(rows))
