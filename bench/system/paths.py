"""Folders of results (mlruns/) and caches (the user's cache folder)."""

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of mlruns/: BENCH_HOME, or the project's root, or the current folder."""
    if named := os.environ.get("BENCH_HOME"):
        return Path(named).expanduser().resolve()
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def results() -> Path:
    """Return the folder of all results."""
    return home() / "mlruns"


def runs() -> Path:
    """Return the folder that has one subfolder per run."""
    return results() / "runs"


def cache() -> Path:
    """Return the folder of data, statistics and weights: BENCH_CACHE or the user's cache folder."""
    if named := os.environ.get("BENCH_CACHE"):
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "began-bench"


def datasets() -> Path:
    """Return the default folder of data files, downloaded or put there by hand."""
    return cache() / "datasets"
