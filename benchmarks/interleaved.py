"""Two things timed in turns, so that a drift of the machine reaches both alike."""

import time
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Protocol

BLOCK_SECONDS = 1.0  # what a block is calibrated to
CALIBRATION_SECONDS = 0.3  # the least that a calibrating block may take
CALIBRATION_TRIES = 3
WARM_STEPS = 3


class Side(Protocol):
    """One of two things whose steps are timed in turns."""

    def prepare(self, steps: int) -> None:
        """Do what does not count, before the clock starts."""

    def advance(self, steps: int) -> None:
        """Train so many steps from where the state stands."""

    def wait(self) -> None:
        """Return when the device has done what it was given."""


def timed(side: Side, steps: int) -> float:
    """Seconds of one block."""
    side.prepare(steps)
    side.wait()
    start = time.perf_counter()
    side.advance(steps)
    side.wait()
    return time.perf_counter() - start


def warm(first: Side, second: Side, steps: int | None) -> int:
    """Warm both sides up by the same number of steps, and say how many make a block.

    Where `steps` is None, the first side's steps are timed and a block is to take BLOCK_SECONDS. The
    shortest of some tries counts: what else the machine does can only lengthen them.
    """
    timed(first, WARM_STEPS)
    total = WARM_STEPS
    block = steps or 1
    while steps is None:
        seconds = min(timed(first, block) for _ in range(CALIBRATION_TRIES))
        total += CALIBRATION_TRIES * block
        if seconds >= CALIBRATION_SECONDS:
            block = max(1, round(block * BLOCK_SECONDS / seconds))
            break
        block *= 2
    timed(second, total)
    return block


@dataclass(frozen=True)
class Comparison:
    """Two sides timed in turns.

    Attributes
    ----------
    steps : int
        Steps of a block.
    first_seconds, second_seconds : list of float
        Times of the blocks, pair by pair.
    """

    steps: int
    first_seconds: list[float]
    second_seconds: list[float]

    def ratios(self) -> list[float]:
        """Give the first side's time over the second's in each pair."""
        return [a / b for a, b in zip(self.first_seconds, self.second_seconds, strict=True)]

    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the ratios."""
        low, middle, high = quantiles(self.ratios(), n=4, method="inclusive")
        return low, middle, high

    def step_milliseconds(self) -> tuple[float, float]:
        """Median time of a step of each side."""
        first, second = (median(side) for side in (self.first_seconds, self.second_seconds))
        return 1e3 * first / self.steps, 1e3 * second / self.steps

    def describe(self, first: str, second: str) -> dict[str, Any]:
        """Give the numbers by name, with every block's time."""
        low, middle, high = self.quartiles()
        times = self.step_milliseconds()
        return {
            "ratio_of": f"{first} / {second}",
            "ratio_median": middle,
            "ratio_quartiles": [low, high],
            f"{first}_step_ms": times[0],
            f"{second}_step_ms": times[1],
            "steps_per_block": self.steps,
            "block_seconds": {first: self.first_seconds, second: self.second_seconds},
        }


def compare(first: Side, second: Side, steps: int | None, pairs: int) -> Comparison:
    """Time two sides in the order ABBA, as many blocks of each as there are pairs."""
    comparison = Comparison(warm(first, second, steps), [], [])
    turns = ((first, comparison.first_seconds), (second, comparison.second_seconds))
    for pair in range(pairs):
        for side, seconds in turns if pair % 2 == 0 else reversed(turns):
            seconds.append(timed(side, comparison.steps))
    return comparison
