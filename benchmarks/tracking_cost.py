"""What tracking costs: whole runs with and without it, in turns.

``python benchmarks/tracking_cost.py`` prints the ratio of training times (what a step is slowed by)
and of whole times (start, end and sending included). See benchmarks/README.md.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

import click


def one_run(variant: str, steps: int, tracking: bool, home: str) -> tuple[float, float]:
    """Train once in a process of its own; seconds of training and of the whole command."""
    words = [sys.executable, "-m", "bench", "run", "--variant", variant, "--steps", str(steps), "--json"]
    words += ["--set", f"tracking={tracking}"]
    start = time.perf_counter()
    done = subprocess.run(
        words, env=os.environ | {"BENCH_HOME": home}, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(json.loads(done.stdout)["train_seconds"]), time.perf_counter() - start


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--variant", default="began-v3", show_default=True, help="What to train, at its quick preset.")
@click.option("--steps", type=click.IntRange(min=1), default=1000, show_default=True, help="Steps of a run.")
@click.option("--pairs", type=click.IntRange(min=1), default=5, show_default=True, help="Pairs of runs.")
def main(variant: str, steps: int, pairs: int) -> None:
    """Time runs with tracking against runs without."""
    ratios: dict[str, list[float]] = {"training": [], "whole command": []}
    with tempfile.TemporaryDirectory(prefix="tracking-cost-") as home:
        # the store is made, and data and reference are cached, before anything counts
        one_run(variant, 10, True, home)
        for pair in range(pairs):
            order = (True, False) if pair % 2 == 0 else (False, True)
            times = {tracking: one_run(variant, steps, tracking, home) for tracking in order}
            for place, name in enumerate(ratios):
                ratios[name].append(times[True][place] / times[False][place])
            click.echo(f"pair {pair + 1}: with {times[True]}, without {times[False]}", err=True)
    for name, values in ratios.items():
        spread = f"{min(values):.3f} to {max(values):.3f}"
        click.echo(f"{name}: with / without tracking, median {median(values):.3f} ({spread}), {pairs} pairs")


if __name__ == "__main__":
    main()
