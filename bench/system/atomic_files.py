"""Files that are either complete or not there; links, modes and special files are left as they are."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.system.errors import RequestError, WorkError

# Begins the name of each temporary file, .bench-PID-RANDOM and the suffix: one that a killed process left
# behind is told by it.
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
    """Return the kind of a file from its mode, in words; empty for a regular file."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "a special file")


def destination(path: Path) -> Path:
    """Find the file that is made or replaced by writing to a path.

    Parameters
    ----------
    path : Path
        As the user gave it.

    Returns
    -------
    Path
        `path` with all links resolved; a regular file, or nothing yet.

    Raises
    ------
    RequestError
        If it is a folder, a device, a FIFO or a socket, or no file can have this name.
    WorkError
        If it is write-protected, or something on the way is no folder or may not be entered.
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
    """Give a temporary path to write to; that file takes the place of `path` when the block ends well.

    Parameters
    ----------
    path : Path
        The file to make or replace; its folder is made if need be. Links are followed, and the new file has
        the permissions of the old one. The path that is given has the same suffix, since writers choose the
        format by it.
    durable : bool
        Whether the file has to outlast a crash of the machine, which takes milliseconds.

    Raises
    ------
    RequestError
        As :func:`destination`.
    WorkError
        If it cannot be written; nothing is left then.
    """
    try:
        with beside(path, durable=durable) as aside:
            yield aside
    except OSError as error:
        raise WorkError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def beside(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """As :func:`replacing`, for callers that tell an OSError themselves."""
    target = destination(path)
    # a long suffix is none, and might make the name too long
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
    """Write a file in one step that outlasts a crash, making its folder if need be; raises as `replacing`."""
    with replacing(path, durable=True) as aside:
        aside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """The same for text."""
    write_bytes(path, text.encode())


def _create(aside: Path, target: Path) -> os.stat_result | None:
    """Make the temporary file, for its owner alone where one is replaced; give the facts of the old one."""
    before = target.stat() if target.exists() else None
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(aside, flags, 0o666 if before is None else 0o600))
    return before


def _keep_permissions(aside: Path, before: os.stat_result) -> None:
    """Give the new file the old one's owner, group and mode, or less where that is not permitted."""
    mode = before.st_mode & 0o777
    with suppress(PermissionError):
        os.chown(aside, before.st_uid, -1)
    try:
        os.chown(aside, -1, before.st_gid)
    except PermissionError:
        # another group gets no more than everybody had
        mode &= ~0o070 | (mode & 0o007) << 3
    os.chmod(aside, mode)


def _flush(path: Path, flags: int) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
