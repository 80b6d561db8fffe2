"""Peak memory of a step at the v3 paper's size: batch 128 whole, in micro-batches, with recomputation."""

import json
import subprocess
import sys
from typing import Any

from children import FOLDER, environment
from configurations import published
from tables import markdown, with_notes

from bench.system.errors import WorkError
from sections import Request, for_each

TITLE = "Memory of a step at 64 x 64 pixels, 128 filters, batch 128"
FILTERS, SIZE, BATCH = 128, 64, 128
VARIANT = "began-v3"  # unless others are asked for
HOW: dict[str, dict[str, Any]] = {
    "whole batch": {},
    "whole batch, recomputed": {"activation_checkpointing": True},
    "8 micro-batches": {"micro_batches": 8},
    "8 micro-batches, recomputed": {"micro_batches": 8, "activation_checkpointing": True},
}


def measure_one(given: dict[str, Any]) -> dict[str, Any]:
    """Take one step in a process of its own."""
    words = [sys.executable, str(FOLDER / "one_step.py"), json.dumps(given)]
    done = subprocess.run(words, env=environment(), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise WorkError(f"the step ended with status {done.returncode}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told | {"configuration": given}


def measure(request: Request) -> dict[str, Any]:
    """One variant in each way, unless several are asked for."""
    chosen = {
        f"{name}, {words}": published(name, request.threads, FILTERS, SIZE, BATCH, **how)
        for name in request.variants or (VARIANT,)
        for words, how in HOW.items()
    }
    return for_each(list(chosen), lambda words: measure_one(chosen[words]))


def table(result: dict[str, Any]) -> str:
    """One row a way."""
    header = ["configuration", "GiB before the step", "GiB at most", "seconds"]
    rows = [
        [words, f"{row['before'] / 2**30:.2f}", f"{row['peak'] / 2**30:.2f}", f"{row['seconds']:.0f}"]
        for words, row in result.items()
        if "error" not in row
    ]
    return with_notes(markdown(header, rows), [], result)
