"""``bench runs``: list, filter and delete runs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import SELECTION, deletion, selection
from bench.commands.output import Report, check_can_ask, may_delete, named, progress, reporting, table
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from bench.comparing.run_list import ListedRun
    from bench.runs.description import RunDescription
    from bench.runs.run_folder import RunFolder

    # a run, and its description unless that is damaged
    Chosen = tuple[RunFolder, RunDescription | None]

HEADER = ("run", "variant", "data set", "preset", "seed", "steps", "health", "distance", "size", "age")


@click.command("runs")
@click.argument("words", metavar="[RUN...]", nargs=-1, type=names.Run)
@selection
@deletion("runs", "folder, and run and artifacts in the tracking store")
@reporting
def command(words: tuple[str, ...], delete: bool, yes: bool, **filters: str | None) -> Report:
    """List runs, the newest first, or delete them.

    Without RUN, all runs that the options select. A deletion asks first, refuses a run in training, and can
    be repeated if it was cut off.
    """
    from bench.comparing.run_list import listed
    from bench.execution.deletion import finish_pending
    from bench.system import paths

    given = {name: value for name, value in filters.items() if value is not None}
    if delete and not words and not given:
        raise RequestError(
            f"runs --delete: name runs, or select them by {', '.join(f'--{n}' for n in SELECTION)}"
        )
    if words and given:
        raise RequestError(f"runs: give RUN or {', '.join(f'--{name}' for name in given)}, not both")
    if delete:
        check_can_ask(yes)
    finished = finish_pending() if delete else set()
    chosen, studies = (_named(words, finished, delete), []) if words else _selected(given)
    rows = listed([(run, description) for run, description in chosen if description])
    if not delete:
        empty = "no runs are selected" if given else f"no runs in {paths.runs()}"
        return Report({"runs": [asdict(row) for row in rows]}, _text(rows, studies, empty))
    return _delete([run for run, _ in chosen], rows, sorted(finished), yes)


def _named(words: Sequence[str], finished: set[str], delete: bool) -> "list[Chosen]":
    """Return the runs that words name, without those whose deletion was just finished."""
    from bench.execution.deletion import described
    from bench.runs.run_folder import find

    found = named(words, finished, lambda word: find(word, damaged=delete))
    return [(run, described(run)) for run in found]


def _selected(given: dict[str, str]) -> "tuple[list[Chosen], list[str]]":
    """Return the runs that options select, the newest first; without options those of no study.

    Without options also the study of each run that is left out.
    """
    from bench.runs.damaged_runs import warn_of_damaged
    from bench.runs.run_folder import survey

    found = survey()
    newest_first = found.runs[::-1]
    if given:
        # imported for a selection only: pandas takes a second
        from bench.comparing.frame import results

        ids = set(results(**given)["run_id"])
        return [pair for pair in newest_first if pair[0].id in ids], []
    warn_of_damaged(found.damaged)
    studies = [description.study.name for _, description in found.runs if description.study]
    return [pair for pair in newest_first if pair[1].study is None], studies


def _text(rows: "Sequence[ListedRun]", studies: Sequence[str], empty: str) -> str:
    """Return the list as text, or why it is empty, and the studies whose runs it leaves out."""
    from bench.system.os_errors import format_size

    parts = [_table(rows) if rows else empty]
    if len(rows) > 1:
        parts.append(f"{len(rows)} runs, {format_size(sum(row.size for row in rows))}")
    if studies:
        parts.append(f"{len(studies)} more in studies: --study {', '.join(dict.fromkeys(studies))}")
    return "\n\n".join(parts)


def _table(rows: "Sequence[ListedRun]") -> str:
    from bench.system.os_errors import format_size

    # runs without a judge have no distance
    metrics = {row.metric for row in rows if row.metric}
    several = len(metrics) > 1
    only = metrics.pop() if len(metrics) == 1 else "distance"
    header = tuple(only if name == "distance" else name for name in HEADER)
    # trials of a study have names alike
    trials = any(row.trial is not None for row in rows)
    header = (header[0], "trial", *header[1:]) if trials else header
    cells = []
    for row in rows:
        number = [row.trial] if trials else []
        distance = (
            f"{row.metric} {row.distance:.4g}" if several and row.distance is not None else row.distance
        )
        cells.append(
            (
                *(row.name, *number, row.variant, row.dataset, row.preset, str(row.seed), row.steps),
                row.health_text,
                *(distance, format_size(row.size), row.age),
            )
        )
    return table(cells, header)


def _delete(
    chosen: "Sequence[RunFolder]",
    rows: "Sequence[ListedRun]",
    finished: list[str],
    yes: bool,
) -> Report:
    from bench.execution.deletion import delete_runs, held

    data: dict[str, object] = {"deleted": [run.id for run in chosen], "finished": finished}
    if not chosen:
        return Report(data, "the deletion was finished" if finished else "no runs are selected")
    # refused before anything is asked
    with held(chosen):
        pass
    sound = {row.id for row in rows}
    damaged = [f"{run.id} (damaged)" for run in chosen if run.id not in sound]
    shown = "\n".join([*([_table(rows)] if rows else []), *damaged])
    if not may_delete(shown, f"{len(chosen)} runs" if len(chosen) > 1 else "this run", yes):
        return Report(data | {"deleted": []}, "nothing was deleted")
    delete_runs(chosen, progress())
    return Report(data, f"{len(chosen)} {'run' if len(chosen) == 1 else 'runs'} deleted")
