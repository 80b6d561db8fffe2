"""Resident memory of a training process over 10,000 steps, evaluations and checkpoints included."""

import json
import subprocess
import sys
import tempfile
from typing import Any

from children import FOLDER, environment
from tables import markdown, with_notes

from bench.system.errors import WorkError
from sections import Request, measure_each

TITLE = "Memory: resident memory of a training process"
STEPS = 10_000
EVERY = 500
STEADY = 2000  # all caches are full after this step
VARIANT = "began"  # by default


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Run the smallest preset, points, in a separate process."""
    steps = request.steps or STEPS
    every, steady = max(1, steps * EVERY // STEPS), steps * STEADY // STEPS
    words = [sys.executable, str(FOLDER / "long_run.py"), name, *map(str, (steps, every, request.threads))]
    with tempfile.TemporaryDirectory(prefix="memory-") as home:
        done = subprocess.run(words, env=environment(BENCH_HOME=home), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise WorkError(f"the run ended with status {done.returncode}")
    samples = [json.loads(line) for line in done.stdout.splitlines()]
    at = {row["step"]: row["bytes"] for row in samples}
    growth = at[steps] - at[steady]
    return {
        "samples": samples,
        "from_step": steady,
        "to_step": steps,
        "growth_bytes": growth,
        "growth_share": growth / at[steady],
    }


def measure(request: Request) -> dict[str, Any]:
    """Measure the requested variants, by default one."""
    return measure_each(list(request.variants or (VARIANT,)), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant."""
    header = [
        "variant",
        "steps",
        "MiB at the first",
        "MiB at the last",
        "largest MiB",
        "growth KiB",
        "growth",
    ]
    rows = []
    for name, row in result.items():
        if "error" in row:
            continue
        at = {sample["step"]: sample["bytes"] for sample in row["samples"]}
        shown = [at[row["from_step"]], at[row["to_step"]], max(at.values())]
        rows.append(
            [
                name,
                f"{row['from_step']:,} to {row['to_step']:,}",
                *(f"{value / 2**20:.1f}" for value in shown),
                f"{row['growth_bytes'] / 2**10:.0f}",
                f"{100 * row['growth_share']:.2f}%",
            ]
        )
    return with_notes(markdown(header, rows), [], result)
