"""The rules that the lines of a record follow; whoever reads a record checks each line by them.

Steps are 1, 2, 3, ...; after an event ``session`` at step S the next one is S + 1. All steps have the same
scalars. An evaluation, a checkpoint and the end stand right after the step that they belong to, an alarm
after the step that raised it. After an end only a session follows, and a run that finished has an evaluation
and a checkpoint at its last step.
"""

import re
from typing import Any

# what an event has besides its step; other values are numbers
EVENTS: dict[str, dict[str, Any]] = {
    "session": {
        "commit": str,
        "torch": str | None,
        "threads": int,
        "cpu_capability": str,
        "device": str,
        "ranks": int,
        "micro_batches": int | None,
        "circumstances": dict,
    },
    "evaluation": {},
    "checkpoint": {"file": str, "train_seconds": float},
    "alarm": {"kind": str, "words": str},
    "end": {"status": str, "health": str, "best": dict},
}
STATUSES = ("FINISHED", "FAILED", "KILLED")
_NUMBERS = frozenset({int, float})
_NUMBER = rb"(?:-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+|NaN|-?Infinity)"


class LineCheck:
    """Checks the lines of a record, one after another.

    Attributes
    ----------
    step : int
        The last step so far.
    """

    def __init__(self) -> None:
        self.step = 0
        self._names: list[str] | None = None
        self._pattern: re.Pattern[bytes] | None = None
        self._at: dict[str, list[int]] = {"evaluation": [], "checkpoint": []}
        self._ended = False

    def take(self, row: Any) -> None:
        """Check the next line; ValueError says what is wrong with it."""
        if not isinstance(row, dict):
            raise ValueError("the line is no JSON object")
        step = row.get("step")
        if type(step) is not int:
            raise ValueError("step is missing" if step is None else f"step {step!r:.40} is no whole number")
        if self._ended and row.get("event") != "session":
            raise ValueError(f"step {step} follows the end of the run")
        if "event" in row:
            self._take_event(row["event"], step, row)
        else:
            self._take_step(step, row)

    def take_steps(self, lines: bytes) -> bool:
        """Check many lines of steps at once, without parsing them; False where they must be taken singly.

        Lines that are accepted here are accepted singly; some layouts are only accepted singly.
        """
        if not lines:
            return True
        if self._ended or self._names is None:
            return False
        if self._pattern is None:
            scalars = (rb', "%s": %s' % (re.escape(name.encode()), _NUMBER) for name in self._names)
            self._pattern = re.compile(rb'^\{"step": ([0-9]++)%s\}\n' % b"".join(scalars), re.MULTILINE)
        steps = self._pattern.findall(lines)
        count = lines.count(b"\n")
        expected = range(self.step + 1, self.step + count + 1)
        if len(steps) != count or any(int(a) != b for a, b in zip(steps, expected, strict=True)):
            return False
        self.step += count
        return True

    def _take_step(self, step: int, row: dict[str, Any]) -> None:
        due = self.step + 1
        if step != due:
            problem = "is recorded twice" if 0 < step < due else f"stands where step {due} must stand"
            raise ValueError(f"step {step} {problem}")
        if self._names is None:
            self._names = [name for name in row if name != "step"]
        if not _NUMBERS.issuperset(map(type, row.values())):
            raise ValueError(f"step {step}: {_no_number(row)} is no number")
        if len(row) != len(self._names) + 1 or not all(name in row for name in self._names):
            raise ValueError(f"step {step} has other scalars than the first step")
        self.step = step

    def _take_event(self, name: Any, step: int, row: dict[str, Any]) -> None:
        if not isinstance(name, str) or name not in EVENTS:
            raise ValueError(f"unknown event {name!r:.40}")
        for key, kind in EVENTS[name].items():
            # a whole number is a number, too
            if key not in row or not isinstance(row[key], int | float if kind is float else kind):
                raise ValueError(f"{name} at step {step}: {key} is missing or of the wrong type")
        if name == "session":
            self._begin_session(step)
            return
        if not (1 <= step <= self.step if name == "alarm" else step == self.step):
            raise ValueError(f"{name} at step {step} stands after step {self.step}")
        if name == "end":
            self._end(step, row)
        elif name != "alarm":
            values = {key: value for key, value in row.items() if key not in ("event", "file")}
            if wrong := _no_number(values):
                raise ValueError(f"{name} at step {step}: {wrong} is no number")
            if step in self._at[name][-1:]:
                raise ValueError(f"{name} at step {step} is recorded twice")
            self._at[name].append(step)

    def _begin_session(self, step: int) -> None:
        if not 0 <= step <= self.step:
            raise ValueError(f"session at step {step} stands after step {self.step}")
        self.step, self._ended = step, False
        self._at = {name: [at for at in steps if at <= step] for name, steps in self._at.items()}

    def _end(self, step: int, row: dict[str, Any]) -> None:
        if row["status"] not in STATUSES:
            raise ValueError(f"end at step {step}: unknown status {row['status']!r:.40}")
        if wrong := _no_number(row["best"]):
            raise ValueError(f"end at step {step}: {wrong} is no number")
        if row["status"] == "FINISHED":
            for name, steps in self._at.items():
                if step not in steps[-1:]:
                    raise ValueError(f"end at step {step}: the run finished without {name} at that step")
        self._ended = True


def _no_number(values: dict[str, Any]) -> str:
    """The name of the first value that is no number; empty where all are."""
    return next((name for name, value in values.items() if type(value) not in _NUMBERS), "")
