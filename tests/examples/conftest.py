"""Commands of bench as processes that see packages of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]
Bench = Callable[..., list[Done]]

# Runs each command in a process of its own, a copy of one that has imported torch; that import takes longer
# than most commands. No registry is read before, so each command looks for plug-ins itself.
COMMANDS = """
import importlib, json, os, sys
from bench.cli import main

for module in json.loads(sys.argv[2]):
    importlib.import_module(module)
for words, out, err in json.loads(sys.argv[1]):
    if not os.fork():
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
        status = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


HEAVY = ("torch._dynamo", "torchmetrics", "bench.execution.session")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages, empty."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def run_bench(site: Path, tmp_path: Path) -> Bench:
    """Run commands of bench, one process each, which see the packages of `site`.

    All must end with the given status. `imported` has the modules that they share; none for light commands.
    """

    def run_bench(
        *commands: tuple[str, ...], status: int = 0, imported: tuple[str, ...] = HEAVY
    ) -> list[Done]:
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        files = [[str(tmp_path / f"{n}.{name}") for name in ("out", "err")] for n in range(len(commands))]
        given = [[words, *streams] for words, streams in zip(commands, files, strict=True)]
        whole = subprocess.run(
            [sys.executable, "-c", COMMANDS, json.dumps(given), json.dumps(imported)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert whole.returncode == 0, whole.stderr
        texts = [[Path(path).read_text(encoding="utf-8") for path in streams] for streams in files]
        for streams in files:
            for path in streams:
                Path(path).unlink()
        found = [
            Done(words, int(line), *streams)
            for words, line, streams in zip(commands, whole.stdout.split(), texts, strict=True)
        ]
        for done in found:
            assert done.returncode == status, done.stderr
        return found

    return run_bench
