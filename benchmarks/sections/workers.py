"""Gain of a second worker in a study: trials finished in the same time by one and by two workers."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from children import environment
from interleaved import spread
from tables import markdown, with_notes, with_quartiles

from sections import Request, log, measure_each

TITLE = "Workers: trials of a study finished in the same time, two workers / one"
PAIRS = 3
MINUTES = 5.0
STEPS = 250  # of a trial
WORKERS = 2
VARIANT = "began-v3"  # by default
STUDY = """
variant: {variant}
search: {{gamma: declared, lambda_k: declared}}
settings: {{preset: quick, steps: {steps}, eval_every: {steps}}}
sampler: {{name: random}}
pruner: {{name: none, collapse_after: 1}}
trials: 10000
"""


def finished(variant: str, steps: int, threads: int, workers: int, minutes: float) -> int:
    """Return the number of trials that a command finishes in `minutes`, its own start included."""
    import optuna

    from bench.searching.journal_storage import JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="workers-") as home:
        file = Path(home) / "equal.yaml"
        file.write_text(STUDY.format(variant=variant, steps=steps))
        words = [sys.executable, "-m", "bench", "study", str(file), "--json"]
        words += ["--workers", str(workers), "--timeout", str(minutes), "--set", f"threads={threads}"]
        begin = time.time()
        subprocess.run(words, env=environment(BENCH_HOME=home), stdout=subprocess.DEVNULL, check=True)
        (folder,) = (Path(home) / "mlruns" / "studies").iterdir()
        name = json.loads((folder / "study.json").read_text())["name"]
        study = optuna.load_study(study_name=name, storage=JournalStorage(folder).optuna)
        ends = [trial.datetime_complete for trial in study.get_trials()]
        return sum(end is not None and end.timestamp() <= begin + 60 * minutes for end in ends)


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Count equal trials (random search, nothing pruned, tracking on) in turns."""
    steps = request.steps or STEPS
    # not counted: fills the caches
    finished(name, 10, request.threads, 1, 0.3)
    counts: dict[int, list[int]] = {1: [], WORKERS: []}
    for number in range(request.pairs or PAIRS):
        for workers in (1, WORKERS) if number % 2 == 0 else (WORKERS, 1):
            counts[workers].append(finished(name, steps, request.threads, workers, MINUTES))
        log(f"    {counts[1][-1]} trials by one worker, {counts[WORKERS][-1]} by {WORKERS}")
    ratios = [several / one for one, several in zip(counts[1], counts[WORKERS], strict=True)]
    return {
        "minutes": MINUTES,
        "steps": steps,
        "trials": {"one": counts[1], "several": counts[WORKERS]},
        "ratio": spread(ratios),
    }


def measure(request: Request) -> dict[str, Any]:
    """Measure the requested variants, by default one."""
    return measure_each(list(request.variants or (VARIANT,)), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant."""
    header = ["variant", "minutes", "steps of a trial", "two workers / one", "trials of one", "of two"]
    rows = []
    for name, row in result.items():
        if "error" not in row:
            trials = [", ".join(map(str, row["trials"][kind])) for kind in ("one", "several")]
            length = [f"{row['minutes']:g}", str(row["steps"])]
            rows.append([name, *length, with_quartiles(row["ratio"], 2), *trials])
    return with_notes(markdown(header, rows), [], result)
