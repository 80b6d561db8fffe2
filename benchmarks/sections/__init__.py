"""What is measured, one module a section: ``measure(request)`` gives numbers, ``table(result)`` shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from bench.errors import RequestError, WorkError


@dataclass(frozen=True)
class Request:
    """What is to be measured, and how often.

    Attributes
    ----------
    variants : tuple of str
        Their names.
    threads : int
        CPU threads of everything that trains.
    pairs : int or None
        Rounds in which every side has a turn; None for the section's own number.
    steps : int or None
        Steps of a block; None for what takes about a second.
    """

    variants: tuple[str, ...]
    threads: int = 1
    pairs: int | None = None
    steps: int | None = None


def say(message: str) -> None:
    """Tell how far the work is, beside the results."""
    click.echo(message, err=True)


def for_each(names: list[str], measure_one: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Measure one after another; what cannot be measured says why under ``error``."""
    results = {}
    for name in names:
        say(f"  {name}")
        try:
            results[name] = measure_one(name)
        except (WorkError, RequestError, ValueError) as error:
            results[name] = {"error": " ".join(str(error).split())[:300]}
            say(f"  {name}: {results[name]['error']}")
    return results
