"""Temporary files that killed processes left behind: how they are told, and their removal."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.system.atomic_files import PREFIX

_NAME = re.compile(re.escape(PREFIX) + r"(\d+)-")
_CLOCK_SECONDS = 2.0  # the system's clock and its times of processes may differ by so much


def remove_leftovers(folder: Path, depth: int = 1) -> None:
    """Remove the temporary files and folders of dead processes; those of living ones stay.

    Parameters
    ----------
    folder : Path
        Where to look; it may not exist.
    depth : int
        Levels of folders below it that are looked into as well.
    """
    for path in _entries(folder):
        if match := _NAME.match(path.name):
            if _is_left(path, int(match[1])):
                _remove(path)
        elif depth and path.is_dir() and not path.is_symlink():
            remove_leftovers(path, depth - 1)


def _entries(folder: Path) -> Iterator[Path]:
    # a folder that is missing or cannot be read holds nothing that can be removed
    with suppress(OSError), os.scandir(folder) as entries:
        yield from [Path(entry) for entry in entries]


def _is_left(path: Path, process_id: int) -> bool:
    """Whether the process that made a file is dead; a later process may have its number."""
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
    # another process may be as quick; what cannot be removed harms nobody
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
