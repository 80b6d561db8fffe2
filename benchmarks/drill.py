"""Cause faults with real processes and real files: ``python benchmarks/drill.py``.

Prints the table of docs/faults.md. Exit status: 0 if the program handled every fault as required, else 1.
"""

import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from faults import Request, Tally

KINDS = ("killed", "servers", "damage", "disks", "secrets", "refused", "pictures")
# one thread, since drills share the machine with the processes that they start
os.environ["OMP_NUM_THREADS"] = "1"


def drill(kind: str, request: "Request") -> "list[Tally]":
    """Cause the faults of one kind and return their tallies."""
    request.folder.mkdir()
    tallies = []
    for tally in importlib.import_module(f"faults.{kind}").drill(request):
        click.echo(" | ".join(tally.row()), err=True)
        for problem in tally.problems:
            click.echo(f"  {problem}", err=True)
        tallies.append(tally)
    return tallies


def show(results: dict[str, Any]) -> str:
    """Return the table, below a line that describes the machine."""
    from faults import Tally
    from tables import markdown

    machine, minutes = results["machine"], results["seconds"] / 60
    where = (
        f"{machine['processor']} ({machine['cores']} cores, {machine['cpu_capability']}), torch "
        f"{machine['packages']['torch']}, commit {machine['commit'][:12]}, {minutes:.0f} minutes"
    )
    rows = [Tally(**tally).row() for tally in results["tallies"]]
    return f"{where}\n\n{markdown(['fault', 'times tried', 'outcome'], rows, left=(0, 2))}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, type=click.Choice(KINDS), metavar="KIND", help="Repeatable.")
@click.option(
    "--times",
    type=click.FloatRange(0, 100, min_open=True),
    default=1.0,
    show_default=True,
    help="Factor on how often each fault is tried.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of random moments and damage."
)
@click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Kinds of faults in parallel."
)
@click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here."
)
def command(only: tuple[str, ...], times: float, seed: int, workers: int, out: Path | None) -> int:
    """Cause faults and print how the program handles them."""
    from faults import Request

    from bench.runs import environment
    from bench.system.atomic_files import write_text

    started = time.monotonic()
    kinds = [kind for kind in KINDS if not only or kind in only]
    # a fresh process per kind: some drills fork, and may do so only before torch has started threads
    fresh = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as work,
        ProcessPoolExecutor(workers, mp_context=fresh, max_tasks_per_child=1) as pool,
    ):
        requests = [Request(Path(work, kind), Path(work, "cache"), times, seed) for kind in kinds]
        tallies = [tally for done in pool.map(drill, kinds, requests) for tally in done]
    results = {
        "machine": environment.facts().model_dump(),
        "command": sys.argv[1:],
        "seconds": time.monotonic() - started,
        "tallies": [asdict(tally) for tally in tallies],
    }
    if out:
        write_text(out, json.dumps(results, indent=1) + "\n")
    click.echo(show(results))
    return 0 if all(tally.passed() or tally.skipped for tally in tallies) else 1


if __name__ == "__main__":
    sys.exit(command.main(standalone_mode=False))
