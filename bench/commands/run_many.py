"""``bench run`` with several variants or seeds."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.dry_run import dry_run_report_of_many
from bench.commands.options import LARGEST_SEED
from bench.commands.output import Report, progress, stopped
from bench.system.errors import RequestError, shown

if TYPE_CHECKING:
    from bench.execution.multirun import Multirun, MultirunResult

MOST_SEEDS = 1000


def run_many(
    given: dict[str, object], file: Path | None, seeds: str | None, workers: int, dry_run: bool
) -> Report:
    """Train every variant with every seed and report the summary."""
    from bench.configuration import yaml_files

    from_file = yaml_files.read(file) if file else {}
    names = str(given.pop("variant", None) or from_file.get("variant", ""))
    variants = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not variants:
        raise RequestError("no variant given: --variant names one or several, separated by commas")
    if seeds is not None and "seed" in given:
        raise RequestError("--seed and --seeds: give one of them")
    seed_list = read_seeds(str(given.pop("seed", from_file.get("seed", 0))) if seeds is None else seeds)
    from bench.execution import multirun
    from bench.execution.jobs import Stopped

    if dry_run:
        configurations = multirun.configurations(variants, seed_list[:1], given, file)
        return dry_run_report_of_many(configurations, seed_list)
    shown_progress = progress()
    planned = multirun.plan(variants, seed_list, given, file, workers, shown_progress)
    try:
        outcome = multirun.train(planned, workers, shown_progress)
    except Stopped:
        raise stopped("stopped; run the same command to continue") from None
    outcome.raise_failures()
    return _report(planned, outcome)


def read_seeds(words: str) -> list[int]:
    """Parse seeds such as ``0,1,2``, ``0-4`` or a mixture; RequestError for anything else."""
    numbers: list[int] = []
    for word in words.split(","):
        first, dash, last = word.strip().partition("-")
        if not (is_seed(first) and (is_seed(last) or not dash)):
            raise RequestError(
                f"seeds {shown(words)}: write whole numbers from 0 to 2**63 - 1, such as 0,1,2 or 0-4"
            )
        low, high = int(first), int(last or first)
        if not 0 <= high - low < MOST_SEEDS - len(numbers):
            raise RequestError(f"seeds {shown(words)}: more than {MOST_SEEDS} seeds, or an empty range")
        numbers += range(low, high + 1)
    return list(dict.fromkeys(numbers))


def is_seed(word: str) -> bool:
    """Return whether a word is a seed."""
    return word.isascii() and word.isdecimal() and len(word) < 20 and int(word) <= LARGEST_SEED


def _report(planned: "Multirun", outcome: "MultirunResult") -> Report:
    data = {
        "name": planned.name,
        "hash": planned.hash,
        "folder": str(planned.folder),
        "runs": [run.id for run in outcome.runs],
        "failed": outcome.failed,
        "parent": outcome.parent,
        "summary": outcome.aggregate.data,
    }
    return Report(data, f"{outcome.aggregate.text}\n\ntable and figures: {planned.folder}")
