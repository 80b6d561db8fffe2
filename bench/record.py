"""The record of a run: an append-only file of JSON lines, and the truth about it.

A line is a training step (``{"step": 1, "M": ...}``) or an event (``{"event": ..., "step": ...}``).
A run that is resumed at a checkpoint appends ``{"event": "resume", "step": S}``, which takes back
the lines after step S; whoever reads the record sees each step once.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import WorkError

FILE = "record.jsonl"


@dataclass
class Record:
    """What a record says.

    Attributes
    ----------
    steps : list of dict
        One row a training step, in order: ``step`` and the scalars.
    evaluations : list of dict
        One row an evaluation: ``step`` and what was measured.
    checkpoints : list of dict
        One row a checkpoint: ``step``, ``file``, ``train_seconds`` and, unless it only let a run stop,
        ``M`` (mean since the planned checkpoint before).
    alarms : list of dict
        One row an alarm: ``step``, ``kind`` and ``words``, as :class:`bench.judging.alarms.Alarm` has them.
    end : dict or None
        The last event ``end``: status, health, best values; None while the run is not over.
    sessions : int
        How many times the run was started or resumed.
    shared_from : int or None
        The last step before other processes joined in at a resume; None where that never was.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    sessions: int = 0
    shared_from: int | None = None

    def series(self, name: str) -> list[float]:
        """The values of a scalar, one a step, or [] where the run has none of that name."""
        return [row[name] for row in self.steps] if self.steps and name in self.steps[0] else []

    def is_over(self) -> bool:
        """Whether the run came to an end that stands: finished or diverged, not stopped or broken off."""
        if self.end is None:
            return False
        return self.end["status"] == "FINISHED" or self.end["health"].startswith("diverged")

    def take(self, row: dict[str, Any]) -> None:
        """Take in the next line; ValueError if its event is unknown."""
        event = row.pop("event", None)
        if event is None:
            self.steps.append(row)
        elif event == "evaluation":
            self.evaluations.append(row)
        elif event == "checkpoint":
            self.checkpoints.append(row)
        elif event == "alarm":
            self.alarms.append(row)
        elif event == "resume":
            self.take_back(row["step"])
            self.sessions += 1
            if "ranks" in row and self.shared_from is None:
                self.shared_from = row["step"]
        elif event == "end":
            self.end = row
        else:
            raise ValueError(f"unknown event {event!r}")

    def take_back(self, step: int) -> None:
        """Forget what came after a step."""
        self.steps = [row for row in self.steps if row["step"] <= step]
        self.evaluations = [row for row in self.evaluations if row["step"] <= step]
        self.checkpoints = [row for row in self.checkpoints if row["step"] <= step]
        self.alarms = [row for row in self.alarms if row["step"] <= step]
        if self.shared_from is not None and self.shared_from > step:
            self.shared_from = None
        self.end = None


def tag_of_alarms(alarms: Iterable[dict[str, Any]]) -> str:
    """A record's alarms in a line, such as ``k-drop@1234 constraint-rising@1700``; empty without any."""
    return " ".join(f"{row['kind']}@{row['step']}" for row in alarms)


def read(path: Path) -> Record:
    """Read a record file; a torn last line, left by a kill, is passed over.

    Raises
    ------
    WorkError
        If a line in the middle is broken.
    """
    record = Record()
    if not path.exists():
        return record
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                record.take(json.loads(line))
            except (ValueError, KeyError) as error:
                raise WorkError(f"{path}: line {number} is broken: {error}") from None
    return record


class Tail:
    """Reads a record as it grows, and hands out only what will not be taken back.

    Parameters
    ----------
    path : Path
        The record file; it may not exist yet.

    Attributes
    ----------
    alarms : list of dict
        The alarms so far that no resume took back; they are not handed out.
    end : dict or None
        The last event ``end`` unless a resume took it back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alarms: list[dict[str, Any]] = []
        self.end: dict[str, Any] | None = None
        self._offset = 0
        self._open: list[dict[str, Any]] = []
        self._settled: list[dict[str, Any]] = []

    def rows(self, settled_only: bool = True) -> list[dict[str, Any]]:
        """New lines, as written: those that a checkpoint covers, or with False all of them."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._take(json.loads(line))
        rows, self._settled = self._settled, []
        if not settled_only:
            rows, self._open = rows + self._open, []
        return rows

    def _take(self, row: dict[str, Any]) -> None:
        event = row.get("event")
        if event == "resume":
            self._open = [open_row for open_row in self._open if open_row["step"] <= row["step"]]
            self.alarms = [alarm for alarm in self.alarms if alarm["step"] <= row["step"]]
            self.end = None
        elif event == "end":
            self.end = row
        elif event == "alarm":
            self.alarms.append(row)
        else:
            self._open.append(row)
        if event in ("checkpoint", "resume"):
            self._settled += [open_row for open_row in self._open if open_row["step"] <= row["step"]]
            self._open = [open_row for open_row in self._open if open_row["step"] > row["step"]]


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

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows and hand them to the operating system in one write: all of them or, if it fails, none.

        Raises
        ------
        OSError
            If they cannot be written, as on a full disk.
        """
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        start = self._file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(lines):
                written += self._file.write(lines[written:])
        except OSError as error:
            # there is always room for less
            self._file.truncate(start)
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def event(self, name: str, **values: Any) -> None:
        """Append one event."""
        self.write([{"event": name, **values}])

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

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


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
