"""A long run on points in this process that prints its resident memory at regular steps.

``python benchmarks/long_run.py VARIANT STEPS EVERY THREADS`` prints a JSON object ``{"step": S, "bytes": N}``
every EVERY steps.
"""

import json
import sys

import psutil

from bench.configuration import resolve
from bench.execution.progress import Progress
from bench.execution.session import start
from bench.training.trainer import Callback


class ResidentMemory(Callback):
    """Prints the resident memory of the process.

    Parameters
    ----------
    every : int
        Steps between two lines of output.
    """

    def __init__(self, every: int) -> None:
        self.every, self.step = every, 0
        self.process = psutil.Process()

    def should_stop(self) -> bool:
        """Count the step, and never stop."""
        self.step += 1
        if self.step % self.every == 0:
            print(json.dumps({"step": self.step, "bytes": self.process.memory_info().rss}), flush=True)
        return False


if __name__ == "__main__":
    variant, steps, every, threads = sys.argv[1], *map(int, sys.argv[2:])
    configuration = resolve(
        {
            "variant": variant, "preset": "points", "steps": steps, "threads": threads, "tracking": False,
            "figures": False,
        }
    )  # fmt: skip
    start(configuration, Progress(quiet=True), on_start=lambda run, bench: [ResidentMemory(every)])
