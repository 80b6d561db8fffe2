"""What a second worker brings to a study: trials finished in the same time by one and by several.

``python benchmarks/study_workers.py`` runs a study of equal trials (random search, nothing pruned,
one thread a worker, tracking on) for a while with one worker and for as long with several, in turns,
and prints the ratio of trials that were finished. See benchmarks/README.md.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click

STUDY = """
variant: {variant}
search: {{gamma: declared, lambda_k: declared}}
settings: {{preset: quick, steps: {steps}, eval_every: {steps}}}
sampler: {{name: random}}
pruner: {{name: none, collapse_after: 1}}
trials: 10000
"""


def finished(variant: str, steps: int, workers: int, minutes: float, cache: str) -> int:
    """Trials that a command of so many workers finishes in the time, its own start included."""
    import optuna

    from bench.searching.journal_storage import JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="study-workers-") as home:
        file = Path(home) / "equal.yaml"
        file.write_text(STUDY.format(variant=variant, steps=steps))
        words = [sys.executable, "-m", "bench", "study", str(file), "--json"]
        words += ["--workers", str(workers), "--timeout", str(minutes), "--set", "threads=1"]
        environment = os.environ | {"BENCH_HOME": home, "BENCH_CACHE": cache}
        begin = time.time()
        subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=True)
        (folder,) = (Path(home) / "mlruns" / "studies").iterdir()
        name = json.loads((folder / "study.json").read_text())["name"]
        study = optuna.load_study(study_name=name, storage=JournalStorage(folder).optuna)
        ends = [trial.datetime_complete for trial in study.get_trials()]
        return sum(end is not None and end.timestamp() <= begin + 60 * minutes for end in ends)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--variant", default="began-v3", show_default=True, help="What to train, at its quick preset.")
@click.option("--steps", type=click.IntRange(min=1), default=250, show_default=True, help="Steps of a trial.")
@click.option("--workers", type=click.IntRange(min=2), default=2, show_default=True, help="Against one.")
@click.option("--minutes", type=float, default=2.0, show_default=True, help="Time of each study.")
@click.option("--pairs", type=click.IntRange(min=1), default=3, show_default=True, help="Pairs of studies.")
def main(variant: str, steps: int, workers: int, minutes: float, pairs: int) -> None:
    """Count the trials that one worker and several finish in the same time."""
    ratios = []
    with tempfile.TemporaryDirectory(prefix="study-workers-cache-") as cache:
        # data and reference are cached before anything counts
        finished(variant, 10, 1, 0.3, cache)
        for pair in range(pairs):
            order = (1, workers) if pair % 2 == 0 else (workers, 1)
            counts = {count: finished(variant, steps, count, minutes, cache) for count in order}
            ratios.append(counts[workers] / counts[1])
            told = f"{counts[1]} trials by one worker, {counts[workers]} by {workers}"
            click.echo(f"pair {pair + 1}: {told}: {ratios[-1]:.2f}", err=True)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    click.echo(
        f"{workers} workers / 1 worker, trials in {minutes:g} minutes: "
        f"median {median(ratios):.2f} ({spread}), {pairs} pairs"
    )


if __name__ == "__main__":
    main()
