"""Cost of tracking: whole runs with and without tracking, in turns."""

import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from children import environment
from interleaved import spread
from tables import markdown, with_notes, with_quartiles

from sections import Request, measure_each

TITLE = "Tracking: whole runs with tracking / without"
PAIRS = 5
STEPS = 1000
VARIANT = "began-v3"  # by default
TIMES = ("training", "whole command")


def one_run(variant: str, steps: int, threads: int, tracking: bool, home: str) -> tuple[float, float]:
    """Train in a separate process; return the seconds of training and of the whole command."""
    words = [sys.executable, "-m", "bench", "run", "--variant", variant, "--steps", str(steps), "--json"]
    words += ["--set", f"tracking={tracking}", "--set", f"threads={threads}"]
    variables = environment(BENCH_HOME=home)
    start = time.perf_counter()
    done = subprocess.run(words, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout)["train_seconds"]), time.perf_counter() - start


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Time pairs of runs of a variant's quick preset."""
    steps = request.steps or STEPS
    seconds: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="tracking-") as home:
        # untimed: creates the store and the caches
        one_run(name, 10, request.threads, True, home)
        for number in range(request.pairs or PAIRS):
            for tracked in (True, False) if number % 2 == 0 else (False, True):
                seconds[tracked].append(one_run(name, steps, request.threads, tracked, home))
    pairs = list(zip(seconds[True], seconds[False], strict=True))
    ratios = {name: spread([a[i] / b[i] for a, b in pairs]) for i, name in enumerate(TIMES)}
    return {"steps": steps, "with": seconds[True], "without": seconds[False], "ratios": ratios}


def measure(request: Request) -> dict[str, Any]:
    """Measure the requested variants, by default one."""
    return measure_each(list(request.variants or (VARIANT,)), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant."""
    header = ["variant", "steps", *(f"{each}, with / without" for each in TIMES)]
    rows = [
        [name, str(row["steps"]), *(with_quartiles(row["ratios"][each]) for each in TIMES)]
        for name, row in result.items()
        if "error" not in row
    ]
    return with_notes(markdown(header, rows), [], result)
