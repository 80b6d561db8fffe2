"""What a command hands back: the same facts for people and for programs."""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from bench.system.ranks import is_first


@dataclass(frozen=True)
class Report:
    """The outcome of a command.

    Attributes
    ----------
    data : dict
        Plain values, printed with ``--json``.
    text : str
        The same for people.
    status : int
        The exit status.
    """

    data: dict[str, Any]
    text: str
    status: int = 0


def reporting(function: Callable[..., Report]) -> Callable[..., None]:
    """Decorator of a command: add ``--json`` and print the report that the command returns."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, **kwargs: Any) -> None:
        click.get_current_context().ensure_object(dict)["json"] = as_json
        report = function(*args, **kwargs)
        if is_first():
            click.echo(json.dumps(report.data) if as_json else report.text)
        if report.status:
            raise click.exceptions.Exit(report.status)

    return command


def stopped(line: str) -> click.exceptions.Exit:
    """Tell that the user stopped the work and how it goes on; to be raised, exit status 130."""
    if not is_first():
        return click.exceptions.Exit(130)
    click.echo(f"bench: {line}", err=True)
    if click.get_current_context().obj["json"]:
        click.echo(json.dumps({"error": line, "status": 130}))
    return click.exceptions.Exit(130)


def table(rows: Sequence[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Aligned columns; numbers to the right."""
    lines = [list(map(_cell, row)) for row in ([header] if header else []) + list(rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numeric = [
        all(isinstance(x, int | float) or x is None for x in column) for column in zip(*rows, strict=True)
    ]
    padded = [
        [cell.rjust(w) if n else cell.ljust(w) for cell, w, n in zip(line, widths, numeric, strict=True)]
        for line in lines
    ]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
