"""Folders of results (mlruns/) and caches (the user's cache folder)."""

import os
from pathlib import Path

from bench.system.errors import RequestError, shown

CACHE = "began-bench"  # folder below the user's caches


def home() -> Path:
    """Return the folder of mlruns/: BENCH_HOME, or the project's root, or the current folder.

    Raises
    ------
    RequestError
        If BENCH_HOME begins with ``~`` and the home folder that it means is unknown, or if the name of the
        folder is not UTF-8, in which records and stores are written.
    """
    root = Path(__file__).resolve().parents[2]
    found = _named_by("BENCH_HOME") or (root if (root / "pyproject.toml").is_file() else Path.cwd())
    if not is_utf8(str(found)):
        raise RequestError(
            f"the folder of results {shown(str(found))}: its name is not UTF-8, which records need; "
            "name another one by BENCH_HOME, or rename it"
        )
    return found


def results() -> Path:
    """Return the folder of all results."""
    return home() / "mlruns"


def runs() -> Path:
    """Return the folder that has one subfolder per run."""
    return results() / "runs"


def studies() -> Path:
    """Return the folder that has one subfolder per study."""
    return results() / "studies"


def multiruns() -> Path:
    """Return the folder that has one subfolder per multirun."""
    return results() / "multiruns"


def cache() -> Path:
    """Return the folder of data, statistics and weights: BENCH_CACHE or the user's cache folder.

    Raises
    ------
    RequestError
        If a variable begins with ``~`` and the home folder that it means is unknown, or if neither
        BENCH_CACHE nor XDG_CACHE_HOME is set and the user has no home folder.
    """
    if named := _named_by("BENCH_CACHE") or _named_by("XDG_CACHE_HOME"):
        return named if os.environ.get("BENCH_CACHE") else named / CACHE
    return require_user_home() / ".cache" / CACHE


def is_utf8(path: str) -> bool:
    """Return whether a path has only bytes of UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def user_home() -> Path | None:
    """Return the home folder of the user; None where neither HOME nor the list of users names one."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def require_user_home() -> Path:
    """Return the home folder of the user, without which MLflow cannot be imported.

    Raises
    ------
    RequestError
        If neither HOME nor the list of users names one.
    """
    folder = user_home()
    if folder is None:
        raise RequestError("this user has no home folder, which MLflow needs: set HOME to a folder")
    return folder


def _named_by(variable: str) -> Path | None:
    """Return the folder that an environment variable names, absolute; None if it is not set."""
    named = os.environ.get(variable)
    if not named:
        return None
    try:
        return Path(named).expanduser().resolve()
    except RuntimeError:
        user = named.partition("/")[0]
        reason = "the home folder is unknown" if user == "~" else f"no user is named {shown(user[1:])}"
        raise RequestError(f"{variable} {shown(named)}: {reason}; name a folder without ~") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{variable} {shown(named)} cannot be the name of a folder: {error}") from None


def datasets() -> Path:
    """Return the default folder of data files, downloaded or put there by hand."""
    return cache() / "datasets"
