"""``bench verify``: train a run again and compare every recorded number."""

from pathlib import Path

import click

from bench.commands import names
from bench.commands.options import Real, moved_data
from bench.commands.output import Report, progress, reporting, table


@click.command("verify")
@click.argument("run", type=names.Run)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1, 99_999_999),
    help="Train only up to this step; a longer run stays NOT VERIFIED [default: the whole run if processor, "
    "thread count and torch are those of the record, else 5].",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=Real(0, 1),
    help="Largest allowed difference, relative or (for numbers below 1) absolute [default: 0 (bit for bit) "
    "if processor, thread count and torch are those of the record, else 0.01].",
)
@moved_data
@reporting
def command(run: str, steps: int | None, tolerance: float | None, data: Path | None) -> Report:
    """Train a run again and compare every recorded value.

    RUN is an id or name, a unique beginning, or `last`. Exit status 0: everything was compared and is the
    same. Exit status 1: a value differs, and its step is named; or not everything could be compared, and the
    report says NOT VERIFIED and lists the rest.
    """
    from bench.execution.verification import verify
    from bench.runs.run_folder import find

    folder = find(run)
    result = verify(folder, progress(), steps, tolerance, data)
    name = folder.describe().name
    how = "bit for bit" if result.exact else f"within {result.tolerance:g}"
    same = f"SAME, {how}" if result.verified else f"NOT VERIFIED: the same, {how}, as far as it was compared"
    counts = (
        f"{result.steps:,} steps, {result.numbers:,} numbers, {result.checkpoints} checkpoints, "
        f"{result.pictures} pictures"
    )
    rows = [
        ("run", f"{name}  (id {folder.id})"),
        ("verdict", same),
        ("compared", counts),
        *[("not compared", what) for what in result.undecided],
        *[("note", note) for note in result.notes],
    ]
    report = {
        "run_id": folder.id,
        "name": name,
        "verified": result.verified,
        "exact": result.exact,
        "tolerance": result.tolerance,
        "steps": result.steps,
        "numbers": result.numbers,
        "checkpoints": result.checkpoints,
        "pictures": result.pictures,
        "not_compared": result.undecided,
        "notes": result.notes,
    }
    return Report(report, table(rows), status=0 if result.verified else 1)
