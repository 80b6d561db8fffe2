"""Removal of temporary files of killed processes."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.system.atomic_files import PREFIX

_NAME = re.compile(re.escape(PREFIX) + r"(\d+)-")
_CLOCK_SECONDS = 2.0  # tolerance between the system clock and start times of processes


def remove_leftovers(folder: Path, depth: int = 1) -> None:
    """Remove the temporary files and folders of dead processes, but not of running ones.

    Parameters
    ----------
    folder : Path
        Folder to search; it need not exist.
    depth : int
        Levels of subfolders to search.
    """
    for path in _entries(folder):
        if match := _NAME.match(path.name):
            if _is_left(path, int(match[1])):
                _remove(path)
        elif depth and path.is_dir() and not path.is_symlink():
            remove_leftovers(path, depth - 1)


def _entries(folder: Path) -> Iterator[Path]:
    # nothing can be removed from a folder that is missing or cannot be read
    with suppress(OSError), os.scandir(folder) as entries:
        yield from [Path(entry) for entry in entries]


def _is_left(path: Path, process_id: int) -> bool:
    """Return whether the process that made a file is dead; a later process may have the same id."""
    import psutil

    try:
        changed = path.lstat().st_mtime
        process = psutil.Process(process_id)
        return process.status() == psutil.STATUS_ZOMBIE or process.create_time() > changed + _CLOCK_SECONDS
    except FileNotFoundError:
        return False
    except psutil.NoSuchProcess:
        return True


def _remove(path: Path) -> None:
    # another process may remove it first; files that cannot be removed do no harm
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
