"""Commands of bench as processes that see packages of others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Bench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages, empty."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def run_bench(site: Path, tmp_path: Path) -> Bench:
    """Run a command of bench as a process that sees the packages of `site`; it must succeed."""

    def run_bench(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "bench", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    return run_bench
