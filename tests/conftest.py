"""Every test has its own results folder; caches are shared within a session."""

import os
from pathlib import Path

import pytest
import torch

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def bench_home(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results below the test's folder, no tracking server from outside; returns BENCH_HOME."""
    home = tmp_path / "home"
    monkeypatch.setenv("BENCH_HOME", str(home))
    monkeypatch.setenv("BENCH_CACHE", str(cache_folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Threads cost more than they give on networks as small as the tests'."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
