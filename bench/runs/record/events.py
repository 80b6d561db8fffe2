"""What a line of a record holds: the scalars of a training step, or an event."""

import json
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, ValidationError

from bench.runs.file_model import FileModel
from bench.system.json_values import Json, JsonScalar

StepRow: TypeAlias = dict[str, float]
"""A training step: ``step``, a whole number, and the scalars that the step recorded, by name."""

_NUMBERS = frozenset({int, float})


class Event(FileModel):
    """Base class of events.

    Attributes
    ----------
    event : str
        The value of the line's ``event``.
    step : int
        The step at which the event happened.
    """

    event: ClassVar[str]

    step: int

    def plain(self) -> dict[str, Json]:
        """Return the event's plain values, without its name; optional values that are absent are left out."""
        return self.model_dump(exclude_defaults=True)


class Session(Event):
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
        Micro-batches per step.
    execution_settings : mapping
        Settings outside the run's identity in which the session differs from run.json.
    """

    event = "session"

    commit: str
    torch: str | None
    threads: int
    cpu_capability: str
    device: str
    ranks: int
    micro_batches: int | None
    execution_settings: Mapping[str, JsonScalar] = {}

    def differences(self, before: "Session") -> list[str]:
        """Return the differences from the session before that may change the last bits of numbers."""
        names = {
            "commit": "commit",
            "torch": "torch",
            "threads": "threads",
            "cpu_capability": "kernels for",
            "device": "device",
            "ranks": "processes",
        }
        pairs = {label: (getattr(before, name), getattr(self, name)) for name, label in names.items()}
        return [f"{label} {then}, now {now}" for label, (then, now) in pairs.items() if then != now]


class Evaluation(Event):
    """An evaluation of the generator.

    Attributes
    ----------
    values : mapping
        Every metric by its recorded name.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int | float]

    event = "evaluation"

    @property
    def values(self) -> Mapping[str, float]:
        """Every metric by its recorded name."""
        return self.__pydantic_extra__


class CheckpointEvent(Event):
    """A checkpoint was written.

    Attributes
    ----------
    file : str
        Name of the file.
    train_seconds : float
        Seconds of training up to the checkpoint.
    means : mapping
        Mean of each scalar that selects checkpoints, by its name, since the planned checkpoint before; empty
        at a checkpoint that only let the run stop.
    """

    event = "checkpoint"

    file: str
    train_seconds: float
    means: Mapping[str, float] = {}


class Alarm(Event):
    """A rule of alarms came to hold (:mod:`bench.health.alarms`).

    Attributes
    ----------
    step : int
        The first step at which the rule held.
    kind : str
        Name that the rule of the variant's scalar gives, such as ``loss-rising``.
    message : str
        The observation, with its numbers.
    """

    event = "alarm"

    kind: str
    message: str


class End(Event):
    """The run, or a session of it, ended.

    Attributes
    ----------
    status : str
        FINISHED, FAILED or KILLED.
    health : str
        The health tag.
    best : mapping
        The best values and their steps, by name.
    peak_memory : int or None
        Peak memory in bytes.
    stopped_on : str or None
        ``collapse`` where the knob `stop_on` ended the run.
    """

    event = "end"

    status: Literal["FINISHED", "FAILED", "KILLED"]
    health: str
    best: Mapping[str, int | float]
    peak_memory: int | None = None
    stopped_on: Literal["collapse"] | None = None

    def is_final(self) -> bool:
        """Return whether the run finished, diverged or ended on a collapse, and was not broken off."""
        ended_early = self.health.startswith("diverged") or self.stopped_on is not None
        return self.status == "FINISHED" or ended_early


class Extended(Event):
    """The run was given more steps than it was planned with.

    Attributes
    ----------
    step : int
        The last recorded step.
    before : int
        The steps that were planned until now.
    steps : int
        The steps that are planned from now on.
    evaluates, saves : bool
        Whether the longer training has an evaluation, and a planned checkpoint, at step `before` too. If
        not, the evaluation, and the means of the checkpoint, are the old end's alone and do not count among
        those of the longer training.
    """

    event = "extended"

    before: int
    steps: int
    evaluates: bool
    saves: bool


EVENTS: dict[str, type[Event]] = {
    kind.event: kind for kind in (Session, Evaluation, CheckpointEvent, Alarm, End, Extended)
}


def parse(line: bytes) -> StepRow | Event:
    """Parse one line of a record.

    Raises
    ------
    ValueError, RecursionError
        If the line is broken (:class:`json.JSONDecodeError`), or not what a run writes.
    """
    row = json.loads(line.decode())
    if not isinstance(row, dict):
        raise ValueError("the line is no JSON object")
    step = row.get("step")
    if type(step) is not int:
        raise ValueError("step is missing" if step is None else f"step {step!r:.40} is no whole number")
    if "event" in row:
        return _event(row.pop("event"), step, row)
    if not _NUMBERS.issuperset(map(type, row.values())):
        wrong = next(name for name, value in row.items() if type(value) not in _NUMBERS)
        raise ValueError(f"step {step}: {wrong} is no number")
    return row


def _event(name: object, step: int, values: dict[str, object]) -> Event:
    kind = EVENTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"unknown event {name!r:.40}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("int", "float")]
        reason = {
            "missing": "is missing",
            "extra_forbidden": "is unknown",
            "literal_error": f"has the unknown value {first['input']!r:.40}",
            "int_type": "is no number",
            "float_type": "is no number",
            "bool_type": "is neither true nor false",
        }.get(first["type"], "is of the wrong type")
        raise ValueError(f"{name} at step {step}: {': '.join(place)} {reason}") from None


def text(entry: StepRow | Event) -> str:
    """Return the line of a record for a training step or an event."""
    return json.dumps(entry if isinstance(entry, dict) else {"event": entry.event, **entry.plain()}) + "\n"


def alarm_tag(alarms: Iterable[Alarm]) -> str:
    """Return a record's alarms in a line, such as ``loss-rising@1234 weight-at-0@1700``."""
    return " ".join(f"{alarm.kind}@{alarm.step}" for alarm in alarms)
