"""Reading a record: all of it, or as it grows."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.runs.record.events import (
    Alarm,
    CheckpointEvent,
    End,
    Evaluation,
    Event,
    Extended,
    Session,
    StepRow,
    parse,
)
from bench.runs.record.order import OrderCheck
from bench.system.errors import WorkError
from variants.scalars import TrainingScalar

FILE = "record.jsonl"


@dataclass(frozen=True)
class Extension:
    """An extension of a run, and the end that the run had before.

    Attributes
    ----------
    event : Extended
        The old and the new number of steps.
    end : End or None
        The old end; None if the run was extended before it had ended.
    evaluation : Evaluation or None
        The old end's evaluation, if the longer training has none at that step.
    checkpoint : CheckpointEvent or None
        The old end's checkpoint with its means, if the longer training has none at that step.
    """

    event: Extended
    end: End | None
    evaluation: Evaluation | None = None
    checkpoint: CheckpointEvent | None = None


@dataclass
class Record:
    """What a record says.

    Attributes
    ----------
    steps : list of StepRow
        The scalars of each training step, in order.
    evaluations : list of Evaluation
        Evaluations, in order.
    checkpoints : list of CheckpointEvent
        Checkpoints, in order.
    alarms : list of Alarm
        Alarms, in order.
    end : End or None
        The end; None while the run is not over.
    sessions : list of Session
        Every start and resume of the run, in order.
    extensions : list of Extension
        Every extension of the run, in order; no session discards them.
    """

    steps: list[StepRow] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    checkpoints: list[CheckpointEvent] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    end: End | None = None
    sessions: list[Session] = field(default_factory=list)
    extensions: list[Extension] = field(default_factory=list)

    def __repr__(self) -> str:
        counts = f"{self.last_step:,} steps, {len(self.evaluations)} evaluations"
        end = f"{self.end.status} {self.end.health}" if self.end else "no end"
        return f"Record({counts}, {len(self.checkpoints)} checkpoints, {end})"

    @property
    def last_step(self) -> int:
        """The last recorded step; 0 where there is none."""
        return int(self.steps[-1]["step"]) if self.steps else 0

    def series(self, name: str) -> list[float]:
        """Return the values of a scalar at the steps that record it, in order."""
        return [row[name] for row in self.steps if name in row]

    def is_over(self) -> bool:
        """Return whether the run finished or diverged, rather than being stopped or broken off."""
        return self.end is not None and self.end.is_final()

    @property
    def resumes(self) -> int:
        """How many times the run was resumed."""
        return max(0, len(self.sessions) - 1)

    def add(self, entry: StepRow | Event) -> None:
        """Add the next line."""
        match entry:
            case dict():
                self.steps.append(entry)
            case Evaluation():
                self.evaluations.append(entry)
            case CheckpointEvent(step=step):
                at_old_end = any(
                    not each.event.saves and each.event.before == step for each in self.extensions
                )
                self.checkpoints.append(_without_means(entry) if at_old_end else entry)
            case Alarm():
                self.alarms.append(entry)
            case Session():
                self.begin(entry)
            case Extended():
                self.extend(entry)
            case End():
                self.end = entry

    def planned_steps(self, begun_with: int) -> int:
        """Return the steps that are planned now, of a run that began with so many."""
        return self.extensions[-1].event.steps if self.extensions else begun_with

    @property
    def evaluations_set_aside(self) -> list[Evaluation]:
        """The evaluations at old ends of the run that the longer training lacks, by rising step."""
        return [each.evaluation for each in self.extensions if each.evaluation]

    def extend(self, event: Extended) -> None:
        """Extend the run: the end is one no longer, and what the longer training lacks is set aside."""
        evaluation = checkpoint = None
        if not event.evaluates:
            evaluation = next((each for each in self.evaluations if each.step == event.before), None)
            self.evaluations = [each for each in self.evaluations if each is not evaluation]
        if not event.saves:
            checkpoint = next((each for each in self.checkpoints if each.step == event.before), None)
            self.checkpoints = [_without_means(e) if e is checkpoint else e for e in self.checkpoints]
        self.extensions.append(Extension(event, self.end, evaluation, checkpoint))
        self.end = None

    def at_old_end(self, extension: Extension) -> "Record":
        """Return the record as it was when the run was extended, without alarms and sessions."""
        last = extension.event.step
        evaluations = [each for each in self.evaluations if each.step <= last]
        checkpoints = {each.step: each for each in self.checkpoints if each.step <= last}
        if extension.evaluation:
            evaluations.append(extension.evaluation)
        if extension.checkpoint:
            checkpoints[extension.checkpoint.step] = extension.checkpoint
        steps = [row for row in self.steps if row["step"] <= last]
        return Record(steps, evaluations, list(checkpoints.values()), end=extension.end)

    def begin(self, session: Session) -> None:
        """Begin a session: discard everything after its step."""
        last = session.step
        self.steps = [row for row in self.steps if row["step"] <= last]
        self.evaluations = [evaluation for evaluation in self.evaluations if evaluation.step <= last]
        self.checkpoints = [checkpoint for checkpoint in self.checkpoints if checkpoint.step <= last]
        self.alarms = [alarm for alarm in self.alarms if alarm.step <= last]
        self.end = None
        self.sessions.append(session)


def _without_means(checkpoint: CheckpointEvent) -> CheckpointEvent:
    return checkpoint.model_copy(update={"means": {}})


class BestCheckpoint(NamedTuple):
    """A checkpoint and the value by which it is best."""

    checkpoint: CheckpointEvent
    value: float


def best_checkpoints(
    checkpoints: list[CheckpointEvent],
    evaluations: list[Evaluation],
    lower_is_better: str,
    declared: Sequence[TrainingScalar],
) -> dict[str, BestCheckpoint]:
    """Return the best checkpoints so far: by means of scalars since the one before, and by a distance.

    Returns
    -------
    dict
        By the name of each declared scalar that selects and by `lower_is_better`, as far as they exist: a run
        without a judge has no distance.
    """
    best: dict[str, BestCheckpoint] = {}
    for scalar in declared:
        if scalar.selects:
            means = [
                BestCheckpoint(each, each.means[scalar.name])
                for each in checkpoints
                if scalar.name in each.means
            ]
            if means:
                choose = max if scalar.better == "higher" else min
                best[scalar.name] = choose(means, key=lambda each: each.value)
    at = {checkpoint.step: checkpoint for checkpoint in checkpoints}
    judged = [
        BestCheckpoint(at[evaluation.step], evaluation.values[lower_is_better])
        for evaluation in evaluations
        if evaluation.step in at and lower_is_better in evaluation.values
    ]
    if judged:
        best[lower_is_better] = min(judged, key=lambda each: each.value)
    return best


def read(path: Path) -> Record:
    """Read a record file; a torn last line, left by a kill, is ignored.

    Raises
    ------
    WorkError
        If the record is damaged: a line is broken, lost, doubled or out of order.
    """
    record, order = Record(), OrderCheck()
    if not path.exists():
        return record
    with damage_reported(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            record.add(checked(order, line, number))
    return record


def checked(order: OrderCheck, line: bytes, number: int) -> StepRow | Event:
    """Parse a line and check it as the next one; ValueError names the line and what is wrong with it."""
    try:
        entry = parse(line)
        order.check(entry)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is broken: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number}: {error}") from None
    return entry


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn an error about a record into a WorkError that names its file and says what to do."""
    try:
        yield
    except OSError as error:
        raise WorkError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        remedy = "put a copy of the original back, or move the run's folder away and train it again"
        raise WorkError(f"{path} is damaged: {error}; {remedy}") from None


class Tail:
    """Reads a record as it grows.

    Parameters
    ----------
    path : Path
        The record file; it may not exist yet.

    Attributes
    ----------
    alarms : list of Alarm
        The alarms so far that no session discarded; :meth:`read` does not return them.
    end : End or None
        The last end unless a session discarded it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alarms: list[Alarm] = []
        self.end: End | None = None
        self._offset = 0
        self._number = 0
        self._order = OrderCheck()
        # what a session may still discard, and what a checkpoint covers
        self._open: list[StepRow | Event] = []
        self._covered: list[StepRow | Event] = []
        self._covered_to = 0

    def read(self, covered_only: bool = True) -> list[StepRow | Event]:
        """Return new steps, evaluations and checkpoints: those that a checkpoint covers, or all of them.

        What a checkpoint covers is never discarded by a later session.

        Raises
        ------
        WorkError
            If the record is damaged, as :func:`read` does.
        """
        if self.path.exists():
            with damage_reported(self.path), self.path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._add(checked(self._order, line, self._number + 1))
                    self._offset += len(line)
                    self._number += 1
        entries, self._covered = self._covered, []
        if not covered_only:
            entries, self._open = entries + self._open, []
        return entries

    def _add(self, entry: StepRow | Event) -> None:
        match entry:
            case Session(step=step):
                self._open = [each for each in self._open if step_of(each) <= step]
                self.alarms = [alarm for alarm in self.alarms if alarm.step <= step]
                self.end = None
                self._cover(step)
            case End():
                self.end = entry
            case Extended():
                self.end = None
            case Alarm():
                self.alarms.append(entry)
            case CheckpointEvent(step=step):
                self._open.append(entry)
                self._cover(step)
            case _:
                self._open.append(entry)
                # an evaluation follows the checkpoint of its step
                if step_of(entry) <= self._covered_to:
                    self._cover(self._covered_to)

    def _cover(self, step: int) -> None:
        self._covered_to = step
        self._covered += [each for each in self._open if step_of(each) <= step]
        self._open = [each for each in self._open if step_of(each) > step]


def step_of(entry: StepRow | Event) -> int:
    """Return the step of a line."""
    return int(entry["step"]) if isinstance(entry, dict) else entry.step
