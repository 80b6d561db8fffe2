"""Atomic writing of files: a file is either complete or absent. Links, modes and special files are kept."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.system.errors import RequestError, WorkError

# Temporary files are named .bench-PID-RANDOM and the suffix, so that those of killed processes can be found.
PREFIX = ".bench-"

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_NAMES_NO_FILE = {
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long",
}


def kind_of(mode: int) -> str:
    """Return the kind of a file from its mode, as text; empty for a regular file."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "a special file")


def destination(path: Path) -> Path:
    """Return the file that writing to a path creates or replaces.

    Parameters
    ----------
    path : Path
        The path that the user gave.

    Returns
    -------
    Path
        `path` with all links resolved: a regular file, or a file that does not exist yet.

    Raises
    ------
    RequestError
        If the path names a folder, a device, a FIFO or a socket, or cannot be the name of a file.
    WorkError
        If the file is write-protected, or a folder on the path is not a folder or cannot be entered.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    except ValueError as error:
        raise RequestError(f"{str(path)!r} cannot be written: {error}") from None
    except OSError as error:
        if error.errno in _NAMES_NO_FILE:
            raise RequestError(f"{path} cannot be written: {_NAMES_NO_FILE[error.errno]}") from None
        raise WorkError(f"{path} cannot be written: {error.strerror or error}") from None
    if kind := kind_of(mode):
        raise RequestError(f"{path} is {kind}, no regular file: it cannot be replaced")
    if not os.access(path, os.W_OK):
        raise WorkError(f"{path} cannot be written: it is write-protected")
    return Path(os.path.realpath(path))


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path; its file replaces `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder is created if needed. Links are followed, and the new file
        gets the permissions of the old one. The temporary path has the same suffix, because writers derive
        the format from the suffix.
    durable : bool
        Whether to flush the file to the disk, so that it survives a crash of the machine (milliseconds).

    Raises
    ------
    RequestError
        As :func:`destination`.
    WorkError
        If the file cannot be written; no temporary file is left.
    """
    try:
        with atomic_write(path, durable=durable) as aside:
            yield aside
    except OSError as error:
        raise WorkError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """As :func:`replacing`, for callers that handle OSError themselves."""
    target = destination(path)
    # a long suffix is not a file type and could make the name too long
    suffix = target.suffix if len(target.suffix) < 20 else ""
    aside = target.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}{suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        before = _create(aside, target)
        yield aside
        if durable:
            _flush(aside, os.O_RDWR)
        if before is not None:
            _keep_permissions(aside, before)
        if destination(path) != target:
            raise WorkError(f"{path} cannot be written: it became a link meanwhile")
        os.replace(aside, target)
        if durable:
            _flush(target.parent, os.O_RDONLY)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically and flush it to the disk; raises as :func:`replacing`."""
    with replacing(path, durable=True) as aside:
        aside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as :func:`write_bytes`."""
    write_bytes(path, text.encode())


def _create(aside: Path, target: Path) -> os.stat_result | None:
    """Create the temporary file; return the status of the file to replace, or None.

    A temporary file that replaces another can be read by its owner only.
    """
    before = target.stat() if target.exists() else None
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(aside, flags, 0o666 if before is None else 0o600))
    return before


def _keep_permissions(aside: Path, before: os.stat_result) -> None:
    """Copy owner, group and mode of the old file, or fewer permissions if that is not allowed."""
    mode = before.st_mode & 0o777
    with suppress(PermissionError):
        os.chown(aside, before.st_uid, -1)
    try:
        os.chown(aside, -1, before.st_gid)
    except PermissionError:
        # another group gets only the permissions that everybody had
        mode &= ~0o070 | (mode & 0o007) << 3
    os.chmod(aside, mode)


def _flush(path: Path, flags: int) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
