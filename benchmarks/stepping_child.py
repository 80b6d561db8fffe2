"""A process that trains on command: it reads one JSON object per line and answers each with another.

The first object names the side and its configuration; each further one is ``{"prepare": N}`` or
``{"advance": N}``. The answer is the time in seconds. The end of the input ends the process. Such processes
compare sides that configure their whole process, as the harness does.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from configurations import images_of
from interleaved import Side
from sections import one_line

from bench.configuration import resolve


def side_of(kind: str, given: dict[str, Any], folder: Path) -> Side:
    """Build a side by name: ``trainer``, ``plain`` or ``plain without loader``."""
    if kind == "trainer":
        from loops import ThroughTrainer, quiet_setup

        return ThroughTrainer(quiet_setup(given), folder)
    from plain import PlainLoop

    configuration = resolve(given)
    return PlainLoop(configuration, images_of(configuration.harness), through_loader=kind == "plain")


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory(prefix="stepping-") as folder:
        side = None
        for line in sys.stdin:
            request = json.loads(line)
            try:
                start = time.perf_counter()
                if side is None:
                    side = side_of(request["kind"], request["given"], Path(folder))
                elif "prepare" in request:
                    side.prepare(request["prepare"])
                else:
                    side.advance(request["advance"])
                side.wait()
                answer: dict[str, Any] = {"seconds": time.perf_counter() - start}
            except Exception as error:
                answer = {"error": one_line(error)}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
