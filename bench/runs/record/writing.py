"""Writing a record."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bench.runs.record.events import Event, StepRow, text


class PlainMark(TypedDict):
    """The values of a :class:`Mark`."""

    length: int
    sha256: str


@dataclass(frozen=True)
class Mark:
    """A place in a record file and a digest of everything before it.

    Attributes
    ----------
    length : int
        Bytes of the file up to the place.
    sha256 : str
        Digest of these bytes.
    """

    length: int
    sha256: str


def mark_matches(path: Path, mark: Mark) -> bool:
    """Return whether a record file still begins with the bytes before a mark."""
    digest, left = hashlib.sha256(), mark.length
    if left and not path.exists():
        return False
    if left:
        with path.open("rb") as file:
            while left and (part := file.read(min(left, 2**20))):
                digest.update(part)
                left -= len(part)
    return left == 0 and digest.hexdigest() == mark.sha256


class RecordWriter:
    """Appends to a record file.

    Parameters
    ----------
    path : Path
        The file. A torn last line is cut off before anything is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        cut_torn_line(path)
        self._file = path.open("ab", buffering=0)
        self._length, self._digest = 0, hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(2**20):
                self._count(part)

    def _count(self, part: bytes) -> None:
        self._length += len(part)
        self._digest.update(part)

    def write(self, entries: Iterable[StepRow | Event]) -> None:
        """Append lines and hand them to the operating system in one write: all of them or, if it fails, none.

        Raises
        ------
        OSError
            If they cannot be written, as on a full disk.
        """
        lines = "".join(map(text, entries)).encode()
        try:
            written = 0
            while written < len(lines):
                written += self._file.write(lines[written:])
        except OSError as error:
            # there is always room for less
            self._file.truncate(self._length)
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._count(lines)

    def mark(self) -> Mark:
        """Return the end of the record so far."""
        return Mark(self._length, self._digest.hexdigest())

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class NoWriter(RecordWriter):
    """Writes nothing: for a process that trains along with the one that records."""

    def __init__(self) -> None:
        pass

    def write(self, entries: Iterable[StepRow | Event]) -> None:
        """Do nothing."""

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def cut_torn_line(path: Path) -> None:
    """Cut a file back to the end of its last whole line."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 4096)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)
