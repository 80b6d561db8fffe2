"""Output of commands, as text and as JSON."""

import functools
import json
import sys
import textwrap
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from bench.system.errors import RequestError
from bench.system.ranks import is_first

if TYPE_CHECKING:
    from bench.execution.progress import Progress

Thing = TypeVar("Thing", bound=Hashable)  # a run or a study

WIDTH = 110  # longest line of lists that people read


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


def check_can_ask(yes: bool) -> None:
    """Raise RequestError if a deletion has to ask and cannot, since it prints JSON."""
    if not yes and click.get_current_context().obj["json"]:
        raise RequestError("--delete asks first: with --json give --yes too")


def named(words: Sequence[str], finished: Collection[str], find: Callable[[str], Thing]) -> list[Thing]:
    """Return what words name, each thing once, without those whose deletion was just finished.

    Parameters
    ----------
    words : sequence of str
        Words that the user typed.
    finished : collection of str
        Names and ids of what is deleted.
    find : callable
        Returns what a word names; RequestError if nothing.
    """
    found: dict[Thing, None] = {}
    for word in words:
        try:
            found[find(word)] = None
        except RequestError:
            if not word or not any(name.startswith(word) for name in finished):
                raise
    return list(found)


def may_delete(shown: str, what: str, yes: bool) -> bool:
    """Ask whether something is to be deleted, after a table of it; with `yes` it is not asked.

    Raises
    ------
    RequestError
        If standard input ends without an answer, as that of a job or a script does.
    """
    if yes:
        return True
    unanswered = RequestError(
        "no answer on standard input: nothing was deleted; --yes deletes without asking"
    )
    # Python's name for a closed one
    if sys.stdin is None:
        raise unanswered
    click.echo(shown, err=True)
    try:
        return click.confirm(f"Delete {what}?", err=True)
    except click.Abort as error:
        # click raises one exception for the end of the input and for Ctrl-C
        if not isinstance(error.__context__, EOFError):
            raise
        click.echo(err=True)
        raise unanswered from None


def progress() -> "Progress":
    """Return the progress display of the current command, quiet with ``--json``."""
    from bench.execution.progress import Progress

    return Progress(quiet=click.get_current_context().obj["json"])


def table(rows: Sequence[Sequence[object]], header: Sequence[str] = (), width: int | None = None) -> str:
    """Return a table with aligned columns, numbers to the right.

    Parameters
    ----------
    rows : sequence of sequences
        The cells; None is shown as a dash.
    header : sequence of str
        Names of the columns.
    width : int, optional
        Longest line: the texts of the last column are wrapped, to 20 characters at least.
    """
    from tabulate import tabulate

    if width is not None:
        # tabulate makes a column two characters wider than its name
        named = [[f"{name}  " for name in header]] if header else []
        cells = [*([_cell(value) for value in row] for row in rows), *named]
        others = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)][:-1]
        room = max(20, width - sum(others))
        rows = [(*row[:-1], wrapped(_cell(row[-1]), room)) for row in rows]
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


def wrapped(text: str, width: int = WIDTH) -> str:
    """Return a text with lines of at most `width` characters; longer words, such as paths, stay whole."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def setting(value: object) -> str:
    """Return the value of a knob as it is typed after ``--set KEY=``."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
