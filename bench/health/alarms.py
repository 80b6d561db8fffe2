"""Alarms while a run trains, from its recorded scalars alone.

The verdict on health is made once, from evaluations. Alarms are raised from every step, and mean that the
samples should be looked at; they are no verdict.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from bench.runs.record import Alarm
from variants.scalars import AlarmRule, Drop, Rise, Stuck, TrainingScalar

LARGE = 2.0**20
"""A value so many times as large as the sum of the others leaves a rounding error when it is subtracted."""


class _RollingMean:
    """Mean of the last `window` values, in constant time per value."""

    def __init__(self, window: int) -> None:
        self.window = window
        self._values: deque[float] = deque()
        self._sum = 0.0
        self._added = 0

    def add(self, value: float) -> float | None:
        """Add the next value; return the mean, or None while there are too few values."""
        self._values.append(value)
        self._sum += value
        first = self._values.popleft() if len(self._values) > self.window else 0.0
        self._sum -= first
        self._added += 1
        if self._added % self.window == 0 or abs(first) > LARGE * abs(self._sum):
            # summed anew, because rounding errors add up
            self._sum = math.fsum(self._values)
        return self._sum / self.window if len(self._values) == self.window else None


class _RollingMaximum:
    """Maximum of the values of the last `memory` steps, in constant time per value on average."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._candidates: deque[tuple[int, float]] = deque()

    def add(self, step: int, value: float) -> float:
        """Add the next value; return the maximum, which may be this value."""
        while self._candidates and self._candidates[-1][1] <= value:
            self._candidates.pop()
        self._candidates.append((step, value))
        while self._candidates[0][0] <= step - self.memory:
            self._candidates.popleft()
        return self._candidates[0][1]


class _Watch(Protocol):
    """One rule of one scalar."""

    def update(self, step: int, value: float) -> tuple[str, str] | None:
        """Add the next value; return the alarm's kind and message while the rule holds."""


class _RiseWatch:
    def __init__(self, name: str, rule: Rise) -> None:
        self.name, self.rule = name, rule
        self._mean, self._lowest = _RollingMean(rule.window), math.inf

    def update(self, step: int, value: float) -> tuple[str, str] | None:
        mean = self._mean.add(value)
        if mean is None:
            return None
        self._lowest = min(self._lowest, mean)
        if mean <= self.rule.factor * self._lowest:
            return None
        change = f"{self.name} rose from {self._lowest:.3g} to {mean:.3g}"
        return self.rule.kind, f"{change} (means of {self.rule.window:,} steps)"


class _DropWatch:
    def __init__(self, name: str, rule: Drop) -> None:
        self.name, self.rule = name, rule
        self._mean, self._highest = _RollingMean(rule.window), _RollingMaximum(rule.memory)

    def update(self, step: int, value: float) -> tuple[str, str] | None:
        mean = self._mean.add(value) if step > self.rule.start else None
        if mean is None:
            return None
        highest = self._highest.add(step, mean)
        if highest < self.rule.least or mean >= self.rule.factor * highest:
            return None
        change = f"{self.name} fell from {highest:.3g} to {mean:.3g}"
        return self.rule.kind, f"{change} (means of {self.rule.window:,} steps)"


class _StuckWatch:
    def __init__(self, name: str, rule: Stuck) -> None:
        self.name, self.rule = name, rule
        self._in_a_row = 0

    def update(self, step: int, value: float) -> tuple[str, str] | None:
        self._in_a_row = self._in_a_row + 1 if value == self.rule.value else 0
        if self._in_a_row < self.rule.steps:
            return None
        bound = f"{self.rule.value:g}"
        return f"{self.name}-at-{bound}", f"{self.name} was exactly {bound} for {self.rule.steps:,} steps"


def _watch(name: str, rule: AlarmRule) -> _Watch:
    match rule:
        case Rise():
            return _RiseWatch(name, rule)
        case Drop():
            return _DropWatch(name, rule)
        case Stuck():
            return _StuckWatch(name, rule)


class AlarmMonitor:
    """Raises alarms from a run's scalars, step by step, each kind of alarm at most once.

    The rules are those that the variant declares for its scalars (:mod:`variants.scalars`). A scalar that a
    step does not record raises nothing, nor does a value that is not finite.

    Parameters
    ----------
    declared : sequence of TrainingScalar
        The scalars with their rules.
    """

    def __init__(self, declared: Sequence[TrainingScalar]) -> None:
        self._raised: set[str] = set()
        self._watches = [
            (scalar.name, _watch(scalar.name, rule)) for scalar in declared for rule in scalar.alarms
        ]

    def update(self, row: Mapping[str, float]) -> list[Alarm]:
        """Add the scalars of the next step; return the alarms that the step raises."""
        step = int(row["step"])
        found: list[Alarm] = []
        for name, watch in self._watches:
            value = row.get(name)
            if value is None or not math.isfinite(value):
                continue
            raised = watch.update(step, value)
            if raised and raised[0] not in self._raised:
                kind, message = raised
                self._raised.add(kind)
                found.append(Alarm(step=step, kind=kind, message=message))
        return found


def alarms_of(rows: Iterable[Mapping[str, float]], declared: Sequence[TrainingScalar]) -> list[Alarm]:
    """Return the alarms of a whole record, by the rules of the declared scalars."""
    monitor = AlarmMonitor(declared)
    return [alarm for row in rows for alarm in monitor.update(row)]
