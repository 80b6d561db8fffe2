"""Measurements, a module per section: ``measure(request)`` returns numbers, ``table(result)`` a table."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from bench.system.errors import RequestError, WorkError
from variants.registry import all_variants


@dataclass(frozen=True)
class Request:
    """Options of a measurement.

    Attributes
    ----------
    variants : tuple of str
        Names of variants; empty for the default of the section.
    threads : int
        CPU threads of all processes that train.
    pairs : int or None
        Rounds in which every side has a turn; None for the default of the section.
    steps : int or None
        Steps per block; None for blocks of about a second.
    """

    variants: tuple[str, ...]
    threads: int = 1
    pairs: int | None = None
    steps: int | None = None

    def all_variants(self) -> tuple[str, ...]:
        """Return the requested variants, or all variants."""
        return self.variants or tuple(all_variants())


def log(message: str) -> None:
    """Write a progress message to standard error."""
    click.echo(message, err=True)


def one_line(error: Exception) -> str:
    """Return an error as one line."""
    kind = "" if isinstance(error, WorkError | RequestError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:300]


def measure_each(names: list[str], measure_one: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return the results by name; a failed measurement has its reason under ``error``."""
    results = {}
    for name in names:
        log(f"  {name}")
        try:
            results[name] = measure_one(name)
        except (
            Exception
        ) as error:  # a failure must not discard the other results, which may have taken an hour
            if not isinstance(error, WorkError | RequestError):
                log(traceback.format_exc())
            results[name] = {"error": one_line(error)}
            log(f"  {name}: {results[name]['error']}")
    return results
