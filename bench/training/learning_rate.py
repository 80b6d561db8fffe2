"""Learning-rate schedules: pure functions of the step and of a measure of convergence before it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class LearningRateRule:
    """Schedule that halves the learning rates.

    Attributes
    ----------
    name : {"none", "halve_every", "halve_on_stall"}
        ``halve_every``: every `window` steps (100,000 in carpedm20's program). ``halve_on_stall``: whenever
        the mean of the measure over `window` steps is not below the lowest such mean before it (a precise
        form of Berthelot et al. 2017, section 4.1).
    window : int
        Window in steps.
    floor : float
        Lower bound of the rates.
    """

    name: str
    window: int
    floor: float

    def moves(self, step: int) -> bool:
        """Return whether the rates may change between the step before and `step`."""
        return self.name != "none" and step > 1 and (step - 1) % self.window == 0

    def halvings(self, step: int, measure: Sequence[float]) -> int:
        """Return the number of halvings before `step`.

        `measure` has the measure of convergence at all earlier steps, NaN where a step did not record it.
        """
        windows = (step - 1) // self.window
        if self.name == "none":
            return 0
        if self.name == "halve_every":
            return windows
        means = [mean for i in range(windows) if (mean := self._mean(measure, i)) is not None]
        return sum(means[i] >= min(means[:i]) for i in range(1, len(means)))

    def _mean(self, measure: Sequence[float], window: int) -> float | None:
        values = measure[window * self.window : (window + 1) * self.window]
        recorded = [value for value in values if not math.isnan(value)]
        return fmean(recorded) if recorded else None

    def rate(self, start: float, halvings: int) -> float:
        """Return the learning rate after some halvings of `start`."""
        return max(start * 0.5**halvings, min(start, self.floor))
