"""Peak memory of a step at the v3 paper's size: batch 128 whole, in micro-batches, with recomputation."""

import json
import subprocess
import sys
from typing import Any

from children import FOLDER, environment
from configurations import published
from tables import markdown, with_notes

from bench.system.errors import WorkError
from sections import Request, measure_each

TITLE = "Memory of a step at 64 x 64 pixels, 128 filters, batch 128"
FILTERS, SIZE, BATCH = 128, 64, 128
VARIANT = "began-v3"  # by default
OPTIONS: dict[str, dict[str, Any]] = {
    "whole batch": {},
    "whole batch, recomputed": {"activation_checkpointing": True},
    "8 micro-batches": {"micro_batches": 8},
    "8 micro-batches, recomputed": {"micro_batches": 8, "activation_checkpointing": True},
}


def measure_one(given: dict[str, Any]) -> dict[str, Any]:
    """Run one step in a separate process."""
    words = [sys.executable, str(FOLDER / "one_step.py"), json.dumps(given)]
    done = subprocess.run(words, env=environment(), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise WorkError(f"the step ended with status {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result | {"configuration": given}


def measure(request: Request) -> dict[str, Any]:
    """Measure the requested variants, by default one, with each set of options."""
    chosen = {
        f"{name}, {label}": published(name, request.threads, FILTERS, SIZE, BATCH, **options)
        for name in request.variants or (VARIANT,)
        for label, options in OPTIONS.items()
    }
    return measure_each(list(chosen), lambda name: measure_one(chosen[name]))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant and set of options."""
    header = ["configuration", "GiB before the step", "GiB at most", "seconds"]
    rows = [
        [name, f"{row['before'] / 2**30:.2f}", f"{row['peak'] / 2**30:.2f}", f"{row['seconds']:.0f}"]
        for name, row in result.items()
        if "error" not in row
    ]
    return with_notes(markdown(header, rows), [], result)
