"""From the start of ``bench run`` to the end of its first training step / the unavoidable imports."""

import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any

from children import FOLDER, environment
from interleaved import spread
from tables import markdown, with_notes, with_quartiles

from bench.system import paths
from bench.system.errors import WorkError
from sections import Request, measure_each

TITLE = "First step: seconds from start to the end of the first training step / imports alone"
PAIRS = 7
# torch, its compiler, which the first step of any torch optimizer imports, and the libraries that parse the
# command line and the knobs
LIBRARIES = "torch, torch._dynamo, click, filelock, pydantic.fields, safetensors, tqdm"
TORCH = f"import {LIBRARIES}"
OF_VARIANT = {"began-resnet18": ", torchvision"}  # used by the networks
# unavoidable imports of the tracking process, in a second process as in a run
MLFLOW = "from mlflow import MlflowClient; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore"


def seconds_to_output(commands: list[list[str]], home: str) -> float:
    """Return the seconds until each of some new processes has printed a line; all have ended on return."""
    # the usual cache, although the results go to a temporary folder
    variables = environment(BENCH_HOME=home, BENCH_CACHE=str(paths.cache()), MLFLOW_DISABLE_TELEMETRY="true")
    start = time.perf_counter()
    processes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables)
        for words in commands
    ]
    lines = [process.stdout.readline() for process in processes]  # type: ignore[union-attr]
    seconds = time.perf_counter() - start
    for process in processes:
        process.communicate()
    if not all(lines):
        raise WorkError(f"{' '.join(commands[lines.index('')][1:])}: ended without output")
    return seconds


def importing(*statements: str) -> list[list[str]]:
    """Return commands that import modules and then print a line."""
    return [[sys.executable, "-c", f"{each}; print('imported', flush=True)"] for each in statements]


def running(variant: str, threads: int, tracking: bool) -> list[list[str]]:
    """Return the command that trains one step."""
    settings = {"tracking": tracking, "threads": threads, "figures": False}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return [[sys.executable, str(FOLDER / "first_training_step.py"), "--variant", variant, *words]]


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Time the run and its imports in turns, each without and with tracking."""
    libraries = TORCH + OF_VARIANT.get(name, "")
    with tempfile.TemporaryDirectory(prefix="first-step-") as home:
        kinds = {
            "imports": partial(seconds_to_output, importing(libraries), home),
            "first step": partial(seconds_to_output, running(name, request.threads, False), home),
            "imports, tracked": partial(seconds_to_output, importing(libraries, MLFLOW), home),
            "first step, tracked": partial(seconds_to_output, running(name, request.threads, True), home),
        }
        # untimed: creates the caches and the store, and reads the files into memory
        for once in kinds.values():
            once()
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(request.pairs or PAIRS):
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                seconds[kind].append(kinds[kind]())

    def ratio(kind: str, over: str) -> dict[str, Any]:
        return spread([a / b for a, b in zip(seconds[kind], seconds[over], strict=True)])

    return {
        "seconds": {kind: spread(each) for kind, each in seconds.items()},
        "untracked": ratio("first step", "imports"),
        "tracked": ratio("first step, tracked", "imports, tracked"),
        "tracked_over_torch": ratio("first step, tracked", "imports"),
    }


def measure(request: Request) -> dict[str, Any]:
    """Measure the quick preset of each variant."""
    return measure_each(list(request.all_variants()), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant."""
    header = ["variant", "untracked / imports", "tracked / imports of both", "tracked / untracked's imports"]
    header += ["imports s", "imports of both s", "first step s", "tracked s"]
    rows = []
    for name, row in result.items():
        if "error" not in row:
            ratios = [with_quartiles(row[kind], 2) for kind in ("untracked", "tracked", "tracked_over_torch")]
            kinds = ("imports", "imports, tracked", "first step", "first step, tracked")
            rows.append([name, *ratios, *(f"{row['seconds'][kind]['median']:.2f}" for kind in kinds)])
    return with_notes(markdown(header, rows), [], result)
