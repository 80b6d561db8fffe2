"""The v3 paper's configuration on a GPU: images per second for each combination of compute options.

``python benchmarks/gpu_paper.py [--json FILE]`` trains began-v3 at its paper preset (64 x 64 x 3, 128
filters, batches of 128) on random images: float32 or bfloat16, compiled or not, channels last or not. Blocks
of steps alternate with a large matrix product, which shows the achievable rate of the device.
"""

import gc
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from configurations import published
from interleaved import spread, timed, warm_up
from loops import ThroughTrainer, quiet_setup, wait_for
from sections import log, one_line
from tables import markdown, percent, with_notes

from bench.commands.options import OutFile, parse_settings
from bench.configuration import resolve
from bench.runs import environment
from bench.system.atomic_files import write_text
from bench.system.errors import RequestError
from bench.training.cost import cost

DTYPES = ("float32", "bfloat16")
COMPILE = ("none", "default", "reduce-overhead")
IMAGES, EPOCHS = 162_770, 300  # of CelebA's training split; of the paper
PAPER_HOURS = {"BEGAN-CS": 9 * 24 + 1 + 45 / 60, "BEGAN v3, L1": 8 * 24 + 6 + 30 / 60}
# dense TFLOP/s in the manufacturer's data sheets, by the prefix of the device's name
PEAKS = {
    "NVIDIA H200": {"bfloat16": 989.5, "tf32": 494.5, "float32": 67.0},
    "NVIDIA H100 NVL": {"bfloat16": 835.5, "tf32": 417.5, "float32": 60.0},
    "NVIDIA H100 PCIe": {"bfloat16": 756.5, "tf32": 378.0, "float32": 51.0},
    "NVIDIA H100 80GB HBM3": {"bfloat16": 989.5, "tf32": 494.5, "float32": 67.0},
}
PRODUCTS = 10  # matrix products per timing
SIDE = {"cuda": 8192, "cpu": 512}


def arithmetic(given: dict[str, Any]) -> str:
    """Return the arithmetic of matrix products: ``bfloat16``, ``tf32`` or ``float32``."""
    harness = resolve(given).harness
    if harness.compute_dtype == "bfloat16":
        return "bfloat16"
    return "tf32" if harness.tf32 and harness.device == "cuda" else "float32"


def matrix_rate(device: torch.device, given: dict[str, Any]) -> Callable[[], float]:
    """Return a function that measures the rate of a square matrix product in the arithmetic of a run."""
    dtype = torch.bfloat16 if arithmetic(given) == "bfloat16" else torch.float32
    side = SIDE[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    left @ right

    def rate() -> float:
        wait_for(device)
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            left @ right
        wait_for(device)
        return 2 * side**3 * PRODUCTS / (time.perf_counter() - start)

    return rate


def measure_one(given: dict[str, Any], steps: int | None, pairs: int) -> dict[str, Any]:
    """Time the steps of one configuration."""
    with tempfile.TemporaryDirectory(prefix="gpu-paper-") as folder:
        start = time.perf_counter()
        trainer = ThroughTrainer(quiet_setup(given), Path(folder))
        trainer.advance(1)
        trainer.wait()
        first = time.perf_counter() - start
        device = trainer.trainer.device
        block = warm_up({"step": trainer}, steps)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        rate = matrix_rate(device, given)
        seconds, rates = [], []
        for _ in range(pairs):
            seconds.append(timed(trainer, block) / block)
            rates.append(rate())
        trainer.close()
    operations = cost(resolve(given)).step_operations
    assert operations is not None
    achieved = [operations / each for each in seconds]
    images = [given["batch_size"] / each for each in seconds]
    peak = peak_of(device, arithmetic(given))
    return {
        "configuration": given,
        "arithmetic": arithmetic(given),
        "operations": operations,
        "seconds_to_first_step": first,
        "steps_per_block": block,
        "step_ms": 1e3 * median(seconds),
        "images_per_second": spread(images),
        "matrix_rate": spread(rates),
        "share_of_matrix_rate": spread([a / b for a, b in zip(achieved, rates, strict=True)]),
        "peak": peak,
        "share_of_peak": spread([each / peak for each in achieved]) if peak else None,
        "memory": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        "hours": EPOCHS * IMAGES / median(images) / 3600,
    }


def peak_of(device: torch.device, kind: str) -> float | None:
    """Return the operations per second of the data sheet, or None for an unlisted device."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((1e12 * each[kind] for start, each in PEAKS.items() if name.startswith(start)), None)


def measure(configurations: dict[str, dict[str, Any]], steps: int | None, pairs: int) -> dict[str, Any]:
    """Time one configuration after another; a failed one has its reason under ``error``."""
    results = {}
    for name, given in configurations.items():
        log(name)
        try:
            results[name] = measure_one(given, steps, pairs)
        except Exception as error:
            results[name] = {"error": one_line(error)}
            log(f"  {results[name]['error']}")
        torch.compiler.reset()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
    return results


def table(results: dict[str, Any]) -> str:
    """Return a table with a row per configuration."""
    header = ["computed in", "images/s", "step ms", "of the matrix product's rate", "of the data sheet's"]
    header += ["matrix TFLOP/s", "memory GiB", "first step s", f"hours for {EPOCHS} epochs"]
    rows = []
    for name, row in results.items():
        if "error" in row:
            continue
        images = row["images_per_second"]
        low, high = images["quartiles"]
        cells = [f"{images['median']:,.0f} ({low:,.0f} to {high:,.0f})", f"{row['step_ms']:.1f}"]
        cells += [percent(row["share_of_matrix_rate"])]
        cells += [percent(row["share_of_peak"]) if row["share_of_peak"] else "-"]
        cells += [f"{row['matrix_rate']['median'] / 1e12:.1f}"]
        cells += [f"{row['memory'] / 2**30:.1f}" if row["memory"] else "-"]
        rows.append([name, *cells, f"{row['seconds_to_first_step']:.1f}", f"{row['hours']:.1f}"])
    paper = ", ".join(f"{hours:.1f} h ({name})" for name, hours in PAPER_HOURS.items())
    notes = [f"{EPOCHS} epochs of {IMAGES:,} images without evaluations; the paper on a TITAN Xp: {paper}"]
    return with_notes(markdown(header, rows), notes, results)


def combinations(
    dtypes: tuple[str, ...], modes: tuple[str, ...], layouts: tuple[bool, ...], base: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the configuration of every combination by its name in the table."""
    chosen = {}
    for dtype, mode, last in itertools.product(dtypes, modes, layouts):
        name = [dtype, f"compile {mode}", "channels last" if last else "channels first"]
        chosen[", ".join(name)] = base | {"compute_dtype": dtype, "compile": mode, "channels_last": last}
    return chosen


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
@click.option("--filters", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=2), default=128, show_default=True)
@click.option(
    "--dtype", "dtypes", multiple=True, type=click.Choice(DTYPES), help="Repeatable; all by default."
)
@click.option(
    "--compile", "modes", multiple=True, type=click.Choice(COMPILE), help="Repeatable; all by default."
)
@click.option("--channels-last/--channels-first", "last", default=None, help="One layout; both by default.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other knob, such as tf32=true."
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps of a block; by default about a second's.")
@click.option(
    "--pairs", type=click.IntRange(min=1), default=7, show_default=True, help="Timed blocks of each."
)
@click.option("--json", "out", type=OutFile(), help="Write the results here.")
def main(
    device: str,
    filters: int,
    batch_size: int,
    dtypes: tuple[str, ...],
    modes: tuple[str, ...],
    last: bool | None,
    settings: tuple[str, ...],
    steps: int | None,
    pairs: int,
    out: Path | None,
) -> None:
    """Time the v3 paper's configuration with every combination of compute options."""
    if device == "cuda" and not torch.cuda.is_available():
        click.echo("not run: torch finds no GPU here", err=True)
        sys.exit(1)
    try:
        base = published("began-v3", 0, filters, 64, batch_size, device=device) | parse_settings(settings)
        resolve(base)
    except RequestError as error:
        raise click.UsageError(str(error)) from None
    layouts = (True, False) if last is None else (last,)
    results = measure(combinations(dtypes or DTYPES, modes or COMPILE, layouts, base), steps, pairs)
    machine = environment.facts().model_dump()
    if out:
        written = {"machine": machine, "command": sys.argv[1:], "ways": results}
        write_text(out, json.dumps(written, indent=1) + "\n")
    where = machine["gpu"] if device == "cuda" else machine["processor"]
    versions = f"torch {machine['packages']['torch']}, commit {machine['commit'][:12]}"
    click.echo(f"{where}, {versions}, began-v3, {filters} filters, batch {batch_size}\n\n{table(results)}")
    sys.exit(1 if any("error" in row for row in results.values()) else 0)


if __name__ == "__main__":
    main()
