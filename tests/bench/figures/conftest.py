"""A tiny trained run of every variant, made when first asked for and then only read."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.runs.run_folder import RunFolder


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained_run(
    small: SimpleNamespace, trained_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RunFolder]:
    """Gives a run by variant and seed, on digits or points; BENCH_HOME is where these runs are."""
    monkeypatch.setenv("BENCH_HOME", str(trained_home))

    def give(variant: str, seed: int = 0, points: str = "") -> RunFolder:
        found = trained_home / f"{variant}-{seed}{points}"
        if not found.exists():
            values = {"dataset": points, "preset": "points"} if points else {}
            run = small.run(small.tiny(variant, seed=seed, figures=True, **values)).run
            found.write_text(run.id)
        return RunFolder(trained_home / "mlruns" / "runs" / found.read_text())

    return give
