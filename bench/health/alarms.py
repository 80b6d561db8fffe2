"""Alarms while a run trains, from its recorded scalars alone.

The verdict on health is made once, from evaluations. Alarms are raised from every step, and mean that the
samples should be looked at; they are no verdict.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping

from bench.runs.description import AlarmRules
from bench.runs.record import Alarm

RULES = AlarmRules(
    window=100,  # steps in a mean
    bound=500,  # steps with k exactly at a bound
    memory=1000,  # steps back to which the highest mean of k may lie: a slow descent is none
    start=200,  # steps that the rule of k's drop leaves out: k overshoots and falls back as training begins
    drop=0.5,  # of the highest mean of k
    least_k=0.01,  # lower than this, k weighs next to nothing and cannot lose much
    constraint_rise=1.5,  # times the lowest mean of loss_constraint
    loss_rise=2.0,  # times the lowest mean of loss_real
)


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
        if len(self._values) > self.window:
            self._sum -= self._values.popleft()
        self._added += 1
        if self._added % self.window == 0:
            # summed anew: the rounding error of a large value remains when the value is subtracted
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


class AlarmMonitor:
    """Raises alarms from a run's scalars, step by step, each kind of alarm at most once.

    A mean below is a scalar's mean over the last `window` steps; before so many steps no rule applies.

    - ``k-at-0``, ``k-at-1``: k was exactly 0 or 1 for `bound` steps in a row.
    - ``k-drop``: the mean of k is below `drop` times the highest such mean of the last `memory` steps, and
      that highest one is at least `least_k`; steps up to `start` do not count. Park, Huh and Kim 2020
      (Electronics 9, 688, section 4, figures 16 to 19) see collapse where k drops "suddenly" and say neither
      from what, to what, nor how fast: the numbers here are ours.
    - ``constraint-rising``: the mean of loss_constraint is above `constraint_rise` times its lowest so far.
    - ``loss-rising``: the mean of loss_real, L(x), is above `loss_rise` times its lowest so far: the first
      sign of divergence.

    A scalar that the variant does not record raises nothing, nor does a value that is not finite.

    Parameters
    ----------
    rules : AlarmRules, optional
        The numbers; those of this version where not given.
    """

    def __init__(self, rules: AlarmRules | None = None) -> None:
        self.rules = rules or RULES
        self._raised: set[str] = set()
        self._means = {
            name: _RollingMean(self.rules.window) for name in ("k", "loss_constraint", "loss_real")
        }
        self._lowest = dict.fromkeys(("loss_constraint", "loss_real"), math.inf)
        self._highest_k = _RollingMaximum(self.rules.memory)
        self._at_bound = 0
        self._last_k: float | None = None

    def update(self, row: Mapping[str, float]) -> list[Alarm]:
        """Add the scalars of the next step; return the alarms that the step raises."""
        step = int(row["step"])
        found: list[Alarm] = []
        k = row.get("k")
        if k is not None and math.isfinite(k):
            found += self._of_k(step, k)
        for name, kind, factor, letters in (
            ("loss_constraint", "constraint-rising", self.rules.constraint_rise, "loss_constraint"),
            ("loss_real", "loss-rising", self.rules.loss_rise, "L(x)"),
        ):
            value = row.get(name)
            if value is not None and math.isfinite(value):
                found += self._of_rise(step, name, value, kind, factor, letters)
        return found

    def _of_k(self, step: int, k: float) -> list[Alarm]:
        found: list[Alarm] = []
        self._at_bound = self._at_bound + 1 if k == self._last_k else 1
        self._last_k = k
        if k in (0, 1) and self._at_bound >= self.rules.bound:
            message = f"k was exactly {k:g} for {self.rules.bound:,} steps"
            found += self._first(f"k-at-{k:g}", step, message)
        mean = self._means["k"].add(k) if step > self.rules.start else None
        if mean is not None:
            highest = self._highest_k.add(step, mean)
            if highest >= self.rules.least_k and mean < self.rules.drop * highest:
                message = f"k fell from {highest:.3g} to {mean:.3g} (means of {self.rules.window:,} steps)"
                found += self._first("k-drop", step, message)
        return found

    def _of_rise(
        self, step: int, name: str, value: float, kind: str, factor: float, letters: str
    ) -> list[Alarm]:
        mean = self._means[name].add(value)
        if mean is None:
            return []
        lowest = self._lowest[name] = min(self._lowest[name], mean)
        if mean <= factor * lowest:
            return []
        message = f"{letters} rose from {lowest:.3g} to {mean:.3g} (means of {self.rules.window:,} steps)"
        return self._first(kind, step, message)

    def _first(self, kind: str, step: int, message: str) -> list[Alarm]:
        if kind in self._raised:
            return []
        self._raised.add(kind)
        return [Alarm(step=step, kind=kind, message=message)]


def alarms_of(rows: Iterable[Mapping[str, float]], rules: AlarmRules | None = None) -> list[Alarm]:
    """Return the alarms of a whole record, by the given rules or those of this version."""
    watch = AlarmMonitor(rules)
    return [alarm for row in rows for alarm in watch.update(row)]
