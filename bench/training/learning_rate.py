"""Learning rates as a pure function of the step and of the M measured so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class LearningRateRule:
    """When and how far learning rates fall.

    Attributes
    ----------
    name : {"none", "halve_every", "halve_on_stall"}
        ``halve_every``: every `window` steps (carpedm20's program, every 100,000). ``halve_on_stall``:
        whenever the mean of M over `window` steps is no lower than the lowest such mean before it
        (Berthelot et al. 2017, section 4.1, made precise).
    window : int
        Steps.
    floor : float
        No rate falls below it.
    """

    name: str
    window: int
    floor: float

    def moves(self, step: int) -> bool:
        """Whether the rates may differ between `step` and the step before."""
        return self.name != "none" and step > 1 and (step - 1) % self.window == 0

    def halvings(self, step: int, measure: Sequence[float]) -> int:
        """How often the rates have been halved before `step`; `measure` holds M of the steps before."""
        windows = (step - 1) // self.window
        if self.name == "none":
            return 0
        if self.name == "halve_every":
            return windows
        means = [fmean(measure[i * self.window : (i + 1) * self.window]) for i in range(windows)]
        return sum(means[i] >= min(means[:i]) for i in range(1, windows))

    def rate(self, start: float, halvings: int) -> float:
        """The learning rate after some halvings of `start`."""
        return max(start * 0.5**halvings, min(start, self.floor))
