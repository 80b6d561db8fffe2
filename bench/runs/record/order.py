"""The rules that the order of a record's lines follows.

Steps are 1, 2, 3, ...; after a session at step S the next one is S + 1. Steps may differ in their scalars.
An evaluation, a checkpoint and the end follow the step that they belong to, an alarm follows the step that
raised it. After an end follows a session, or an extension to more steps than were planned and then a session.
A run that finished has an evaluation and a checkpoint at its last step.
"""

import re

from bench.runs.record.events import (
    Alarm,
    CheckpointEvent,
    End,
    Evaluation,
    Event,
    Extended,
    Session,
    StepRow,
)

_NUMBER = rb"(?:-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+|NaN|-?Infinity)"
# names as JSON writes them without escapes; others are only accepted singly
_STEP = re.compile(
    rb'^\{"step": ([0-9]++)(?:, "(?!(?:step|event)")[ !#-\[\]-~]++": %s)*+\}\n' % _NUMBER, re.MULTILINE
)


class OrderCheck:
    """Checks the lines of a record, one after another.

    Attributes
    ----------
    step : int
        The last step so far.
    """

    def __init__(self) -> None:
        self.step = 0
        self._evaluated: list[int] = []
        self._saved: list[int] = []
        self._ended = False
        self._planned: int | None = None

    def check(self, entry: StepRow | Event) -> None:
        """Check the next line; ValueError says what is wrong with it."""
        if isinstance(entry, dict):
            self._check_step(entry)
            return
        step, name = entry.step, entry.event
        if self._ended and not isinstance(entry, Session | Extended):
            raise ValueError(f"step {step} follows the end of the run")
        match entry:
            case Session():
                allowed = 0 <= step <= self.step
            case Alarm():
                allowed = 1 <= step <= self.step
            case _:
                allowed = step == self.step
        if not allowed:
            raise ValueError(f"{name} at step {step} stands after step {self.step}")
        match entry:
            case Session():
                self.step, self._ended = step, False
                self._evaluated = [at for at in self._evaluated if at <= step]
                self._saved = [at for at in self._saved if at <= step]
            case Evaluation():
                self._add(self._evaluated, entry)
            case CheckpointEvent():
                self._add(self._saved, entry)
            case Extended():
                self._check_extended(entry)
                self._planned, self._ended = entry.steps, True
            case End():
                self._check_end(entry)
                self._ended = True

    def check_steps(self, lines: bytes) -> bool:
        """Check many lines of steps at once, without parsing them; False where they must be checked singly.

        Lines that are accepted here are accepted singly; some layouts are only accepted singly.
        """
        if not lines:
            return True
        if self._ended:
            return False
        steps = _STEP.findall(lines)
        count = lines.count(b"\n")
        expected = range(self.step + 1, self.step + count + 1)
        if len(steps) != count or any(int(a) != b for a, b in zip(steps, expected, strict=True)):
            return False
        self.step += count
        return True

    def _check_step(self, row: StepRow) -> None:
        step, due = int(row["step"]), self.step + 1
        if self._ended:
            raise ValueError(f"step {step} follows the end of the run")
        if step != due:
            problem = "is recorded twice" if 0 < step < due else f"stands where step {due} must stand"
            raise ValueError(f"step {step} {problem}")
        self.step = step

    def _check_extended(self, event: Extended) -> None:
        planned = event.before if self._planned is None else self._planned
        if not (event.step <= event.before == planned < event.steps):
            raise ValueError(
                f"extended at step {event.step}: from {event.before} to {event.steps} steps, where {planned} "
                "were planned"
            )

    def _check_end(self, end: End) -> None:
        if end.status != "FINISHED":
            return
        for name, steps in (("evaluation", self._evaluated), ("checkpoint", self._saved)):
            if end.step not in steps[-1:]:
                raise ValueError(f"end at step {end.step}: the run finished without {name} at that step")

    def _add(self, steps: list[int], event: Event) -> None:
        if event.step in steps[-1:]:
            raise ValueError(f"{event.event} at step {event.step} is recorded twice")
        steps.append(event.step)
