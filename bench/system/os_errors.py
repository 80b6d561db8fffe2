"""One-line messages for faults of the machine, such as a full disk or too little memory."""

import errno
import re
import shutil
from pathlib import Path

from bench.system.errors import WorkError

# all other system errors are unexpected and keep their traceback
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


def message_of(error: BaseException) -> str | None:
    """Return a message of one line for a fault of the machine; None for all other errors.

    Parameters
    ----------
    error : BaseException
        Error of Python, numpy or torch.
    """
    if isinstance(error, OSError):
        return system_error_message(error) if error.errno in KINDS else None
    if is_out_of_memory(error):
        return memory_error_message(error)
    return None


def message_in_training(error: BaseException) -> str | None:
    """Return a message for any system error during training, including the cause of a WorkError."""
    if isinstance(error, OSError):
        return system_error_message(error)
    if isinstance(error, WorkError):
        cause = error.__cause__
        return str(error) if isinstance(cause, OSError) else None
    return message_of(error)


def system_error_message(error: OSError, file: Path | None = None) -> str:
    """Return a message for a file error: the file, the error and, if the disk is full, the free space."""
    named = error.filename if file is None else file
    # file descriptors and bytes do not help the reader
    named = named if isinstance(named, str | Path) else None
    message = error.strerror or str(error) or type(error).__name__
    if error.errno in FULL and (free := free_space(Path(named) if named else None)) is not None:
        message += f" ({format_size(free)} free)"
    if error.errno == errno.ENOMEM:
        return f"the machine has no memory left: {message}"
    return (
        f"{named} cannot be used: {message}"
        if named
        else f"a file or the output cannot be written: {message}"
    )


def free_space(path: Path | None) -> int | None:
    """Return the free bytes on the disk of a file or folder, which may not exist; None if unknown."""
    if path is None:
        return None
    for folder in (path, *path.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory of the machine or of a GPU could not be allocated."""
    # torch's class is compared by name, so that torch need not be imported
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)) is not None


def memory_error_message(error: BaseException) -> str:
    """Return a message about memory that could not be allocated, with the knobs that reduce it."""
    gpu = "CUDA" in str(error)
    tried = TRIED.search(str(error))
    message = f"not enough memory on the {'GPU' if gpu else 'machine'}"
    if tried:
        count, _, unit = tried[1].partition(" ")
        message += f": {format_size(int(count)) if unit == 'bytes' else tried[1]} could not be allocated"
    return f"{message}; reduce batch_size, filters, latent_dim or eval_samples, or increase micro_batches"


def format_size(count: float) -> str:
    """Format a number of bytes with a binary unit."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        del units[0]
    unit = units[0]
    return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:,.1f} {unit}"
