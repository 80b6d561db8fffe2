"""Faults of the machine, full disks and short memory among them, told in one line instead of a traceback."""

import errno
import re
import shutil
from pathlib import Path

from bench.system.errors import WorkError

# every other error of the system is unexpected, and keeps its traceback
KINDS = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR,
        errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    }
)  # fmt: skip
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|out of memory|Storage size calculation overflowed"
    r"|invalid buffer size",
    re.IGNORECASE,
)
TRIED = re.compile(r"tried to allocate (\d+(?:\.\d+)? ?\w+)", re.IGNORECASE)


def in_words(error: BaseException) -> str | None:
    """What is wrong with the machine, in one line; None if the error is of another kind.

    Parameters
    ----------
    error : BaseException
        What was raised: by Python, by numpy or by torch.
    """
    if isinstance(error, OSError):
        return of_system(error) if error.errno in KINDS else None
    if is_out_of_memory(error):
        return of_memory(error)
    return None


def behind(error: BaseException) -> str | None:
    """As :func:`in_words`, of a run in training: any error of the system, also one behind a WorkError."""
    if isinstance(error, OSError):
        return of_system(error)
    if isinstance(error, WorkError):
        cause = error.__cause__
        return str(error) if isinstance(cause, OSError) else None
    return in_words(error)


def of_system(error: OSError, file: Path | None = None) -> str:
    """An error of the file system: the file, what is wrong and, where the disk is full, how full it is."""
    named = error.filename if file is None else file
    # a descriptor, or bytes, say nothing
    named = named if isinstance(named, str | Path) else None
    words = error.strerror or str(error) or type(error).__name__
    if error.errno in FULL and (free := free_space(Path(named) if named else None)) is not None:
        words += f" ({size_in_words(free)} free)"
    if error.errno == errno.ENOMEM:
        return f"the machine has no memory left: {words}"
    return f"{named} cannot be used: {words}" if named else f"a file or the output cannot be written: {words}"


def free_space(path: Path | None) -> int | None:
    """Free bytes where a file or folder is, or would be; None where that cannot be told."""
    if path is None:
        return None
    for folder in (path, *path.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or a GPU, could not be allocated."""
    # torch's own class is known by name, without torch
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)) is not None


def of_memory(error: BaseException) -> str:
    """Memory that could not be allocated: how much, and which knobs need less."""
    gpu = "CUDA" in str(error)
    tried = TRIED.search(str(error))
    words = f"not enough memory on the {'GPU' if gpu else 'machine'}"
    if tried:
        count, _, unit = tried[1].partition(" ")
        words += f": {size_in_words(int(count)) if unit == 'bytes' else tried[1]} could not be allocated"
    return f"{words}; reduce batch_size, filters, latent_dim or eval_samples, or increase micro_batches"


def size_in_words(count: float) -> str:
    """A number of bytes with a binary unit."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        del units[0]
    unit = units[0]
    return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:,.1f} {unit}"
