"""Run one training step in this process and print the peak memory.

``python benchmarks/one_step.py CONFIGURATION``, as JSON; prints ``{"before": N, "peak": N, "seconds": S}``.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import configurations  # noqa: F401  (registers the random images)
from loops import ThroughTrainer, quiet_setup

from bench.runs.environment import peak_memory

if __name__ == "__main__":
    setup = quiet_setup(json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="one-step-") as folder:
        trainer = ThroughTrainer(setup, Path(folder))
        before = peak_memory(setup.device)
        start = time.perf_counter()
        trainer.advance(1)
        trainer.wait()
        seconds = time.perf_counter() - start
        result = {"before": before, "peak": peak_memory(setup.device), "seconds": seconds}
        trainer.close()
    print(json.dumps(result))
