"""Output of commands, as text and as JSON."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bench.system.ranks import is_first

if TYPE_CHECKING:
    from bench.execution.progress import Progress


@dataclass(frozen=True)
class Report:
    """Output of a command.

    Attributes
    ----------
    data : mapping
        Values for ``--json``; JSON can hold them.
    text : str
        Text that is printed otherwise.
    status : int
        Exit status.
    """

    data: Mapping[str, object]
    text: str
    status: int = 0


def reporting(function: Callable[..., Report]) -> Callable[..., None]:
    """Decorator of a command: add ``--json`` and print the report that the command returns."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
    @functools.wraps(function)
    def command(*args: object, as_json: bool, **kwargs: object) -> None:
        click.get_current_context().ensure_object(dict)["json"] = as_json
        report = function(*args, **kwargs)
        if is_first():
            click.echo(json.dumps(report.data) if as_json else report.text)
        if report.status:
            raise click.exceptions.Exit(report.status)

    return command


def stopped(line: str) -> click.exceptions.Exit:
    """Print `line` and return the exception to raise when the user stopped a command: exit status 130."""
    if not is_first():
        return click.exceptions.Exit(130)
    click.echo(f"bench: {line}", err=True)
    if click.get_current_context().obj["json"]:
        click.echo(json.dumps({"error": line, "status": 130}))
    return click.exceptions.Exit(130)


def progress() -> "Progress":
    """Return the progress display of the current command, quiet with ``--json``."""
    from bench.execution.progress import Progress

    return Progress(quiet=click.get_current_context().obj["json"])


def table(rows: Sequence[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Return a table with aligned columns, numbers to the right."""
    from tabulate import tabulate

    numeric = [all(isinstance(x, int | float | None) for x in column) for column in zip(*rows, strict=True)]
    drawn = tabulate(
        [list(map(_cell, row)) for row in rows],
        header,
        tablefmt="plain",
        colalign=["right" if is_numeric else "left" for is_numeric in numeric],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return "\n".join(map(str.rstrip, drawn.splitlines()))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
