"""All timings in one command: ``python benchmarks/measure.py``. See benchmarks/README.md.

Heavy modules are imported late, since libraries of linear algebra read the number of threads from the
environment when they are loaded.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.commands.options import OutFile
from bench.system.atomic_files import write_text

SECTIONS = (
    "overhead",
    "rewriting",
    "floor",
    "first_step",
    "evaluation",
    "data",
    "tracking",
    "memory",
    "batch_memory",
    "workers",
)
LONG = frozenset({"memory", "batch_memory", "workers"})  # only with --only or --all
THREAD_VARIABLES = ("OMP", "OPENBLAS", "MKL")
Save = Callable[[dict[str, Any]], None]


def section(name: str) -> Any:
    """Return the module of a section."""
    return importlib.import_module(f"sections.{name}")


def load_average() -> float:
    """Return the load average of the last minute, including this process."""
    import psutil

    return float(psutil.getloadavg()[0])


def run(
    names: list[str], variants: tuple[str, ...], threads: int, save: Save, **how_often: int | None
) -> dict[str, Any]:
    """Measure sections one after another; a failed section has its reason under ``error``.

    `save` is called with the results so far after each section, since all sections take an hour.
    """
    import torch
    from sections import Request, log, one_line

    from bench.configuration import variant_named
    from bench.runs import environment

    named = tuple(variant_named(name).name for name in variants)
    torch.set_num_threads(threads)
    request = Request(named, threads, **how_often)
    machine = environment.facts().model_dump() | {"threads": threads}
    results: dict[str, Any] = {"machine": machine, "command": sys.argv[1:], "sections": {}, "load": {}}
    for name in names:
        log(name)
        before = load_average()
        try:
            results["sections"][name] = section(name).measure(request)
        except Exception as error:
            log(traceback.format_exc())
            results["sections"][name] = {"error": one_line(error)}
        results["load"][name] = [before, load_average()]
        save(results)
    return results


def show(results: dict[str, Any]) -> bool:
    """Print the table of every section, and return whether all measurements succeeded."""
    from tables import machine_line

    complete = True
    for name, result in results["sections"].items():
        if "error" in result:
            complete = False
            click.echo(f"measure: {name}: {result['error']}", err=True)
            continue
        module = section(name)
        complete &= not any("error" in row for row in result.values() if isinstance(row, dict))
        where = machine_line(results["machine"], results["load"][name])
        click.echo(f"## {module.TITLE}\n\n{where}\n\n{module.table(result)}\n")
    return complete


def stored_result(file: Path) -> dict[str, Any]:
    """Return a result that this command has written to a file."""
    try:
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        names = set(results["sections"])
        if not names <= set(SECTIONS) or names != set(results["load"]) or "machine" not in results:
            raise KeyError("sections")
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(f"--from {str(file)!r}: not a file that this command wrote") from None
    return results


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(SECTIONS),
    metavar="SECTION",
    help="Repeatable; see the README.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Also the long sections: memory, batch_memory and workers."
)
@click.option("--variant", "variants", multiple=True, help="Name of a variant; repeatable. All by default.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@click.option("--pairs", type=click.IntRange(min=1), help="Rounds; by default that of the section.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps per block; by default about a second's.")
@click.option("--json", "out", type=OutFile(), help="Write the results here.")
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Print a stored result; measure nothing.",
)
def command(
    only: tuple[str, ...],
    everything: bool,
    variants: tuple[str, ...],
    threads: int,
    pairs: int | None,
    steps: int | None,
    out: Path | None,
    file: Path | None,
) -> int:
    """Measure the cost of training, judging and tracking as ratios of interleaved timings."""
    if file:
        return 0 if show(stored_result(file)) else 1
    os.environ.update({f"{library}_NUM_THREADS": str(threads) for library in THREAD_VARIABLES})
    from bench.system.errors import RequestError

    def save(results: dict[str, Any]) -> None:
        if out:
            write_text(out, json.dumps(results, indent=1) + "\n")

    names = [name for name in SECTIONS if name in only or (not only and (everything or name not in LONG))]
    try:
        results = run(names, variants, threads, save, pairs=pairs, steps=steps)
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    return 0 if show(results) else 1


def main() -> int:
    """Run the command; a wrong request is refused in one line."""
    try:
        status: int = command.main(standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"measure: {' '.join(error.format_message().split())}", err=True)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
