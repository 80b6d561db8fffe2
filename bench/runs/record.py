"""The record of a run: an append-only file of JSON lines, and the truth about it.

A line is a training step (``{"step": 1, "M": ...}``) or an event (``{"event": ..., "step": ...}``).
Each session, the first and those after a resume, begins with ``{"event": "session", "step": S, ...}``,
which takes back the lines after step S; whoever reads the record sees each step once. Every line is checked
when it is read (:mod:`bench.runs.record_lines`): a damaged record is refused.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.runs.record_lines import EVENTS, LineCheck
from bench.system.errors import WorkError

FILE = "record.jsonl"


@dataclass(frozen=True)
class Session:
    """The code and the machine that trained a part of a run.

    Attributes
    ----------
    step : int
        The last step before the session.
    commit : str
        Commit of the code.
    torch : str or None
        Version of torch.
    threads : int
        Threads of torch's operations.
    cpu_capability : str
        The kernels that torch chose for the processor.
    device : str
        Where networks were computed.
    ranks : int
        Processes that trained together.
    micro_batches : int or None
        Parts that a batch was passed in.
    circumstances : dict
        Knobs outside the run's identity that the session has otherwise than run.json says.
    """

    step: int
    commit: str
    torch: str | None
    threads: int
    cpu_capability: str
    device: str
    ranks: int
    micro_batches: int | None
    circumstances: dict[str, Any] = field(default_factory=dict)

    def differences(self, before: "Session") -> list[str]:
        """What may change the last bits of numbers, compared with the session before, in words."""
        words = {
            "commit": "commit",
            "torch": "torch",
            "threads": "threads",
            "cpu_capability": "kernels for",
            "device": "device",
            "ranks": "processes",
        }
        pairs = {name: (getattr(before, name), getattr(self, name)) for name in words}
        return [f"{words[name]} {then}, now {now}" for name, (then, now) in pairs.items() if then != now]


@dataclass(frozen=True)
class Mark:
    """A place in a record file, and what stands before it.

    Attributes
    ----------
    length : int
        Bytes of the file up to the place.
    sha256 : str
        Digest of these bytes.
    """

    length: int
    sha256: str


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
        One row an alarm: ``step``, ``kind`` and ``words``, as :class:`bench.health.alarms.Alarm` has them.
    end : dict or None
        The last event ``end``: status, health, best values; None while the run is not over.
    sessions : list of Session
        Every start and resume of the run, in order.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    sessions: list[Session] = field(default_factory=list)

    def series(self, name: str) -> list[float]:
        """The values of a scalar, one a step, or [] where the run has none of that name."""
        return [row[name] for row in self.steps] if self.steps and name in self.steps[0] else []

    def is_over(self) -> bool:
        """Whether the run came to an end that stands: finished or diverged, not stopped or broken off."""
        if self.end is None:
            return False
        return self.end["status"] == "FINISHED" or self.end["health"].startswith("diverged")

    @property
    def resumes(self) -> int:
        """How many times the run was resumed."""
        return max(0, len(self.sessions) - 1)

    def take(self, row: dict[str, Any]) -> None:
        """Take in the next line, which is checked."""
        event = row.pop("event", None)
        if event is None:
            self.steps.append(row)
        elif event == "evaluation":
            self.evaluations.append(row)
        elif event == "checkpoint":
            self.checkpoints.append(row)
        elif event == "alarm":
            self.alarms.append(row)
        elif event == "session":
            self.take_back(row["step"])
            # a later version may note more
            session = Session(step=row["step"], **{name: row[name] for name in EVENTS["session"]})
            self.sessions.append(session)
        elif event == "end":
            self.end = row

    def take_back(self, step: int) -> None:
        """Forget what came after a step."""
        self.steps = [row for row in self.steps if row["step"] <= step]
        self.evaluations = [row for row in self.evaluations if row["step"] <= step]
        self.checkpoints = [row for row in self.checkpoints if row["step"] <= step]
        self.alarms = [row for row in self.alarms if row["step"] <= step]
        self.end = None


def tag_of_alarms(alarms: Iterable[dict[str, Any]]) -> str:
    """A record's alarms in a line, such as ``k-drop@1234 constraint-rising@1700``; empty without any."""
    return " ".join(f"{row['kind']}@{row['step']}" for row in alarms)


def best_checkpoints(record: Record, lower_is_better: str) -> dict[str, dict[str, Any]]:
    """The best checkpoints of a record so far: by M's mean since the one before, and by a distance.

    Returns
    -------
    dict
        ``{"M": row, lower_is_better: row}`` as far as they exist; a row has ``step``, ``file`` and
        the value under ``value``.
    """
    best = {}
    rows = [row for row in record.checkpoints if "M" in row]
    if rows:
        row = min(rows, key=lambda row: row["M"])
        best["M"] = row | {"value": row["M"]}
    at = {row["step"]: row for row in record.checkpoints}
    judged = [row for row in record.evaluations if row["step"] in at]
    if judged:
        row = min(judged, key=lambda row: row[lower_is_better])
        best[lower_is_better] = at[row["step"]] | {"value": row[lower_is_better]}
    return best


def read(path: Path) -> Record:
    """Read a record file; a torn last line, left by a kill, is passed over.

    Raises
    ------
    WorkError
        If the record is damaged: a line is broken, lost, doubled or out of order.
    """
    record, check = Record(), LineCheck()
    if not path.exists():
        return record
    with damage_told(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            record.take(checked(check, line, number))
    return record


def checked(check: LineCheck, line: bytes, number: int) -> dict[str, Any]:
    """A line's values, checked as the next one; ValueError names the line and what is wrong with it."""
    try:
        row: dict[str, Any] = json.loads(line.decode())
        check.take(row)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is broken: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number}: {error}") from None
    return row


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Make what is wrong with a record a WorkError that names its file and says what to do."""
    try:
        yield
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        what = "put a copy of the original back, or move the run's folder away and train it again"
        raise WorkError(f"{path} is damaged: {error}; {what}") from None


def mark_matches(path: Path, mark: Mark) -> bool:
    """Whether a record file still begins with what stood before a mark."""
    digest, left = hashlib.sha256(), mark.length
    if left and not path.exists():
        return False
    if left:
        with path.open("rb") as file:
            while left and (part := file.read(min(left, 2**20))):
                digest.update(part)
                left -= len(part)
    return left == 0 and digest.hexdigest() == mark.sha256


class Tail:
    """Reads a record as it grows, and hands out only what will not be taken back.

    Parameters
    ----------
    path : Path
        The record file; it may not exist yet.

    Attributes
    ----------
    alarms : list of dict
        The alarms so far that no session took back; they are not handed out.
    end : dict or None
        The last event ``end`` unless a session took it back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alarms: list[dict[str, Any]] = []
        self.end: dict[str, Any] | None = None
        self._offset = 0
        self._number = 0
        self._check = LineCheck()
        self._open: list[dict[str, Any]] = []
        self._settled: list[dict[str, Any]] = []

    def rows(self, settled_only: bool = True) -> list[dict[str, Any]]:
        """New lines, as written: those that a checkpoint covers, or with False all of them.

        Raises
        ------
        WorkError
            If the record is damaged, as :func:`read` does.
        """
        if self.path.exists():
            with damage_told(self.path), self.path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._take(checked(self._check, line, self._number + 1))
                    self._offset += len(line)
                    self._number += 1
        rows, self._settled = self._settled, []
        if not settled_only:
            rows, self._open = rows + self._open, []
        return rows

    def _take(self, row: dict[str, Any]) -> None:
        event = row.get("event")
        if event == "session":
            self._open = [open_row for open_row in self._open if open_row["step"] <= row["step"]]
            self.alarms = [alarm for alarm in self.alarms if alarm["step"] <= row["step"]]
            self.end = None
        elif event == "end":
            self.end = row
        elif event == "alarm":
            self.alarms.append(row)
        else:
            self._open.append(row)
        if event in ("checkpoint", "session"):
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
        self._length, self._digest = 0, hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(2**20):
                self._count(part)

    def _count(self, part: bytes) -> None:
        self._length += len(part)
        self._digest.update(part)

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows and hand them to the operating system in one write: all of them or, if it fails, none.

        Raises
        ------
        OSError
            If they cannot be written, as on a full disk.
        """
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        try:
            written = 0
            while written < len(lines):
                written += self._file.write(lines[written:])
        except OSError as error:
            # there is always room for less
            self._file.truncate(self._length)
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._count(lines)

    def event(self, name: str, **values: Any) -> None:
        """Append one event."""
        self.write([{"event": name, **values}])

    def session(self, session: Session) -> None:
        """Append the beginning of a session, which takes back what came after its step."""
        self.event("session", **asdict(session))

    def mark(self) -> Mark:
        """The end of the record so far."""
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
