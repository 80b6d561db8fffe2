"""What is measured, a module a section: ``measure(request)`` gives numbers, ``table(result)`` shows them."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from bench.system.errors import RequestError, WorkError
from variants.registry import all_variants


@dataclass(frozen=True)
class Request:
    """What is to be measured, and how often.

    Attributes
    ----------
    variants : tuple of str
        Their names; empty where none was named.
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

    def all_variants(self) -> tuple[str, ...]:
        """The variants named, or all there are."""
        return self.variants or tuple(all_variants())


def say(message: str) -> None:
    """Tell how far the work is, beside the results."""
    click.echo(message, err=True)


def in_one_line(error: Exception) -> str:
    """What went wrong, for a table's note."""
    kind = "" if isinstance(error, WorkError | RequestError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:300]


def for_each(names: list[str], measure_one: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Measure one after another; what cannot be measured says why under ``error``."""
    results = {}
    for name in names:
        say(f"  {name}")
        try:
            results[name] = measure_one(name)
        except Exception as error:  # it must not take the others with it, which may have run for an hour
            if not isinstance(error, WorkError | RequestError):
                say(traceback.format_exc())
            results[name] = {"error": in_one_line(error)}
            say(f"  {name}: {results[name]['error']}")
    return results
