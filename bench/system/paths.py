"""Where things are kept: results under mlruns/, caches in the user's cache folder."""

import os
from pathlib import Path


def home() -> Path:
    """Folder in which mlruns/ stands: BENCH_HOME, else the project's root, else the current folder."""
    if named := os.environ.get("BENCH_HOME"):
        return Path(named).expanduser().resolve()
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def results() -> Path:
    """Everything that running makes."""
    return home() / "mlruns"


def runs() -> Path:
    """One folder a run."""
    return results() / "runs"


def cache() -> Path:
    """Decoded data, reference statistics, weights: BENCH_CACHE, else the user's cache folder."""
    if named := os.environ.get("BENCH_CACHE"):
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "began-bench"


def datasets() -> Path:
    """Data sets that are fetched or put there by hand, unless `data_root` says otherwise."""
    return cache() / "datasets"
