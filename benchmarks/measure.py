"""Everything that is timed, in one command: ``python benchmarks/measure.py``. See benchmarks/README.md.

Heavy modules are imported when they are wanted: libraries of linear algebra read the number of their threads
from the environment when they are loaded.
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
LONG = frozenset({"memory", "batch_memory", "workers"})  # only where they are named, or with --all
THREADS_OF = ("OMP", "OPENBLAS", "MKL")
Keep = Callable[[dict[str, Any]], None]


def section(name: str) -> Any:
    """The module of a section."""
    return importlib.import_module(f"sections.{name}")


def load_average() -> float:
    """Count processes that ran or waited in the last minute, ours included."""
    import psutil

    return float(psutil.getloadavg()[0])


def run(
    names: list[str], variants: tuple[str, ...], threads: int, keep: Keep, **how_often: int | None
) -> dict[str, Any]:
    """Measure sections one after another; one that fails says why under ``error``.

    What there is so far is handed to `keep` after each: all of them take an hour.
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
        keep(results)
    return results


def show(results: dict[str, Any]) -> bool:
    """Print every section's table; whether all was measured."""
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


def kept(file: Path) -> dict[str, Any]:
    """A result that was written before; UsageError if it is none."""
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
@click.option("--variant", "variants", multiple=True, help="A variant's name; repeatable. All by default.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@click.option("--pairs", type=click.IntRange(min=1), help="Rounds; by default the section's own number.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps of a block; by default about a second's.")
@click.option("--json", "out", type=OutFile(), help="Write the results here.")
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Show a kept result; measure nothing.",
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
    """Measure what training, judging and tracking cost, as ratios of what takes turns."""
    if file:
        return 0 if show(kept(file)) else 1
    os.environ.update({f"{library}_NUM_THREADS": str(threads) for library in THREADS_OF})
    from bench.system.errors import RequestError

    def keep(results: dict[str, Any]) -> None:
        if out:
            write_text(out, json.dumps(results, indent=1) + "\n")

    names = [name for name in SECTIONS if name in only or (not only and (everything or name not in LONG))]
    try:
        results = run(names, variants, threads, keep, pairs=pairs, steps=steps)
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    return 0 if show(results) else 1


def main() -> int:
    """Run the command; one line says what is wrong with a request."""
    try:
        status: int = command.main(standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"measure: {' '.join(error.format_message().split())}", err=True)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
