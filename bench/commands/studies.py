"""``bench studies``: list, filter and delete hyperparameter studies."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import deletion
from bench.commands.options import storage as storage_option
from bench.commands.output import Report, check_can_ask, may_delete, named, progress, reporting, table
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from bench.searching.study_list import ListedStudy

HEADER = ("study", "variant", "data set", "state", "trials", "best", "runs", "size", "age")


@click.command("studies")
@click.argument("words", metavar="[STUDY...]", nargs=-1, type=names.Study)
@click.option("--variant", metavar="NAME", type=names.Variant, help="Studies of this variant.")
@click.option("--experiment", metavar="NAME", help="Studies of this experiment.")
@storage_option
@deletion("studies", "journal or tables, folder, runs of the trials, and all of it in the tracking store")
@reporting
def command(
    words: tuple[str, ...],
    variant: str | None,
    experiment: str | None,
    storage: str | None,
    delete: bool,
    yes: bool,
) -> Report:
    """List studies, the newest first, or delete them.

    STUDY is a name or a unique beginning of one. A deletion asks first, refuses a study in progress, and can
    be repeated if it was cut off. Runs that were trained with a study's best values are no part of it.
    """
    from bench.execution.deletion import finish_pending
    from bench.searching.study_list import find, folders, listed

    filters = {"variant": variant, "experiment": experiment}
    filters = {name: value for name, value in filters.items() if value is not None}
    if delete and not words and not filters:
        raise RequestError("studies --delete: name studies, or select them by --variant or --experiment")
    if delete:
        check_can_ask(yes)
    finished = finish_pending() if delete else set()
    chosen = named(words, finished, find) if words else folders()
    rows = [
        row
        for row in listed(chosen, storage)
        if all(getattr(row, n) == value for n, value in filters.items())
    ]
    if not delete:
        return Report({"studies": [asdict(row) for row in rows]}, _text(rows))
    chosen = [folder for folder in chosen if folder.name in {row.name for row in rows}]
    return _delete(chosen, rows, sorted(finished), storage, yes)


def _text(rows: "Sequence[ListedStudy]") -> str:
    from bench.system import paths

    return _table(rows) if rows else f"no studies in {paths.studies()}"


def _table(rows: "Sequence[ListedStudy]") -> str:
    from bench.system.os_errors import format_size

    return table(
        [
            (
                *(row.name, row.variant, row.dataset, row.state),
                f"{row.trials} of {row.budget}" if row.trials is not None else None,
                ", ".join(f"{value:.4g}" for value in row.best) if row.best else None,
                *(row.runs, format_size(row.size), row.age),
            )
            for row in rows
        ],
        HEADER,
    )


def _delete(
    chosen: Sequence[Path],
    rows: "Sequence[ListedStudy]",
    finished: list[str],
    storage: str | None,
    yes: bool,
) -> Report:
    from bench.searching.deletion import check_idle, delete_study

    data: dict[str, object] = {"deleted": [folder.name for folder in chosen], "finished": finished}
    if not chosen:
        return Report(data, "the deletion was finished" if finished else "no studies are selected")
    # refused before anything is asked
    check_idle(chosen, storage)
    what = f"{len(chosen)} studies" if len(chosen) > 1 else "this study"
    if not may_delete(_table(rows), f"{what} and {sum(row.runs for row in rows)} runs", yes):
        return Report(data | {"deleted": []}, "nothing was deleted")
    for folder in chosen:
        delete_study(folder, storage, progress())
    return Report(data, f"{len(chosen)} {'study' if len(chosen) == 1 else 'studies'} deleted")
