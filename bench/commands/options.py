"""Options that several commands have, declared once."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorated = Callable[..., Any]

LARGEST_SEED = 2**63 - 1  # as bench.configuration has it, which is not imported for --help
MOST_WORKERS = 1000


class Real(click.FloatRange):
    """A number within bounds, which NaN is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


Seed = click.IntRange(0, LARGEST_SEED)
Workers = click.IntRange(1, MOST_WORKERS)

# what chooses among runs, by name
SELECTION = ("experiment", "variant", "dataset", "where", "study")


def selection(function: Decorated) -> Decorated:
    """Decorator of a command: the options of :data:`SELECTION`, None where not given."""
    for option in (
        click.option("--study", metavar="NAME", help="Trials of this study, instead of all other runs."),
        click.option("--where", metavar="EXPRESSION", help='Runs that meet it: "gamma == 0.5 and seed < 3".'),
        click.option("--dataset", metavar="NAMES", help="Runs on these data sets, with commas between."),
        click.option("--variant", metavar="NAMES", help="Runs of these variants, with commas between."),
        click.option("--experiment", metavar="NAME", help="Runs of this experiment."),
    ):
        function = option(function)
    return function


def comparison(function: Decorated) -> Decorated:
    """Decorator of a command: ``--select``, ``--metric`` (as `metrics`) and ``--baseline``."""
    for option in (
        click.option(
            "--baseline", metavar="GROUP", help="Compare with this group (or variant, if it has one group)."
        ),
        click.option(
            "--metric",
            "metrics",
            multiple=True,
            metavar="NAME",
            help="What to report, may be given several times [default: the Frechet distance, "
            "classes_covered and M].",
        ),
        click.option(
            "--select",
            metavar="RULE",
            help="Step of each run that counts: last (the default: it selects nothing by what it reports), "
            "best-fid or best-M; with the latter two the last evaluation is shown, too.",
        ),
    ):
        function = option(function)
    return function


def from_checkpoint(function: Decorated) -> Decorated:
    """Decorator of a command: ``--checkpoint``, ``best`` where not given."""
    return click.option(
        "--checkpoint",
        metavar="NAME",
        default="best",
        show_default=True,
        help="best (by Frechet distance), best-M, last or a step.",
    )(function)


class OutFile(click.Path):
    """A file to write, refused before any work if something other than a regular file has its name."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Give its path."""
        from bench.system.atomic_files import destination
        from bench.system.errors import RequestError, WorkError

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            destination(path)
        except (RequestError, WorkError) as error:
            self.fail(str(error), param, ctx)
        return path


class OutFolder(click.Path):
    """A folder to write into, refused before any work if something else has its name."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Give its path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if os.path.lexists(path) and not os.path.isdir(path):
            self.fail(f"{str(path)!r} is no folder.", param, ctx)
        return path
