"""Options that several commands have, declared once."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click

from bench.commands import names
from bench.comparing.defaults import DEFAULT_METRICS
from bench.system.errors import RequestError, WorkError, shown

Command = TypeVar("Command", bound=Callable[..., object])

# the values of bench.configuration, which is not imported for --help
LARGEST_SEED = 2**63 - 1
DEVICES = ("auto", "cpu", "cuda")
EXPERIMENT = "began-bench"
MOST_WORKERS = 1000


class Real(click.FloatRange):
    """A number within bounds; NaN is refused."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a word to a number."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


Seed = click.IntRange(0, LARGEST_SEED)
Workers = click.IntRange(1, MOST_WORKERS)

# options that select runs, by name
SELECTION = ("experiment", "variant", "dataset", "where", "study")


def settings(function: Command) -> Command:
    """Decorator of a command: add ``--set``; the command gets a dict `settings`."""
    return click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        type=names.Settings(),
        multiple=True,
        callback=lambda context, option, words: parse_settings(words),
        help="Any configuration key; repeatable.",
    )(function)


def parse_settings(words: Sequence[str]) -> dict[str, str]:
    """Parse ``key=value`` words."""
    parsed: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise RequestError(f"--set {shown(word)}: write it as key=value")
        parsed[key.strip()] = value.strip()
    return parsed


def merge_settings(options: Mapping[str, str | None], settings: Mapping[str, str]) -> dict[str, object]:
    """Merge options of their own with those of ``--set``; RequestError if two values of a key differ."""
    merged: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    for name, value in settings.items():
        if merged.get(name, value) != value:
            raise RequestError(f"{name} is given twice: {shown(merged[name])} and {shown(value)}")
        merged[name] = value
    return merged


def require_given_gpu(given: Mapping[str, object], file: Path | None = None) -> None:
    """Raise RequestError if settings or a file of settings ask for a GPU and there is none.

    A command calls this first: neither torch nor data is needed to refuse.
    """
    from bench.training.device import require_gpu

    device = given.get("device")
    if device is None and file:
        from bench.configuration import yaml_files

        device = yaml_files.read(file).get("device")
    require_gpu(str(device))


def selection(function: Command) -> Command:
    """Decorator of a command: add the options of :data:`SELECTION`, None by default."""
    for option in (
        click.option(
            "--study",
            metavar="NAME",
            type=names.Study,
            help="Trials of this study, whose name may be cut before a hyphen [default: all runs that belong "
            "to no study].",
        ),
        click.option(
            "--where", metavar="EXPRESSION", help='Runs for which it is true: "lr_g < 0.001 and seed < 3".'
        ),
        click.option(
            "--dataset",
            metavar="NAMES",
            type=names.SeveralDatasets,
            help="Runs on these data sets, separated by commas.",
        ),
        click.option(
            "--variant",
            metavar="NAMES",
            type=names.SeveralVariants,
            help="Runs of these variants, separated by commas.",
        ),
        click.option(
            "--experiment",
            metavar="NAMES",
            help="Runs of these experiments, separated by commas; a study's name stands for its trials.",
        ),
    ):
        function = option(function)
    return function


def storage(function: Command) -> Command:
    """Decorator of a command: add ``--storage``, by default what BENCH_STORAGE holds, else None."""
    return click.option(
        "--storage",
        metavar="URL",
        envvar="BENCH_STORAGE",
        help="postgresql://USER@HOST/DATABASE, for several hosts [default: a journal file below "
        "mlruns/studies]. With a password in it, give it in BENCH_STORAGE: others can read a command line.",
    )(function)


def deletion(what: str, consisting_of: str) -> Callable[[Command], Command]:
    """Return a decorator of a command: add the flags ``--delete`` and ``--yes``."""

    def decorator(function: Command) -> Command:
        function = click.option("--yes", is_flag=True, help="With --delete: do not ask.")(function)
        return click.option("--delete", is_flag=True, help=f"Delete these {what}: {consisting_of}.")(function)

    return decorator


def comparison(function: Command) -> Command:
    """Decorator of a command: add ``--select``, ``--metric`` (as `metrics`) and ``--baseline``."""
    for option in (
        click.option(
            "--baseline", metavar="GROUP", help="Compare with this group (or variant, if it has one group)."
        ),
        click.option(
            "--metric",
            "metrics",
            multiple=True,
            metavar="NAME",
            help=f"Metric to report; repeatable [default: {DEFAULT_METRICS}].",
        ),
        click.option(
            "--select",
            metavar="RULE",
            help="Evaluation of each run to report: last (which no reported metric selects), best-fid, or "
            "best-NAME for a training scalar NAME that selects checkpoints; with the best ones the last "
            "evaluation is shown too [default: last].",
        ),
    ):
        function = option(function)
    return function


def device(function: Command) -> Command:
    """Decorator of a command: add ``--device``, None by default: the configuration decides."""
    return click.option(
        "--device",
        metavar="|".join(DEVICES),
        help=f"Where to compute; auto takes a GPU where there is one [default: {DEVICES[0]}].",
    )(function)


def from_checkpoint(function: Command) -> Command:
    """Decorator of a command: add ``--checkpoint``, ``best`` by default."""
    return click.option(
        "--checkpoint",
        metavar="NAME",
        default="best",
        show_default=True,
        help="best (by Frechet distance), best-NAME (by a training scalar NAME that selects), last or a "
        "step.",
    )(function)


def moved_data(function: Command) -> Command:
    """Decorator of a command: add ``--data``, None by default."""
    return click.option(
        "--data",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Folder to which the run's data moved [default: the recorded one].",
    )(function)


class OutFile(click.Path):
    """A file to write; refused before any work if the path names something other than a regular file."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Convert a word to a path."""
        from bench.system.atomic_files import destination

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            destination(path)
        except (RequestError, WorkError) as error:
            self.fail(str(error), param, ctx)
        return path


class OutFolder(click.Path):
    """A folder to write into; refused before any work if the path names something else."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Convert a word to a path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if os.path.lexists(path) and not os.path.isdir(path):
            self.fail(f"{str(path)!r} is not a folder.", param, ctx)
        return path
