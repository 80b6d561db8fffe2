"""Things timed in turns, so that a drift of the machine reaches all of them alike."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

BLOCK_SECONDS = 1.0  # what a block is calibrated to
CALIBRATION_SECONDS = 0.3  # the least that a calibrating block may take
CALIBRATION_TRIES = 3
WARM_STEPS = 3


class Side:
    """One of several things whose steps are timed in turns; does nothing until a subclass does."""

    def prepare(self, steps: int) -> None:
        """Do what does not count, before the clock starts."""

    def advance(self, steps: int) -> None:
        """Go so many steps from where the state stands."""

    def wait(self) -> None:
        """Return when the device has done what it was given."""

    def rest(self) -> None:
        """Do what does not count, after the clock has stopped."""


def timed(side: Side, steps: int) -> float:
    """Seconds of one block."""
    side.prepare(steps)
    side.wait()
    start = time.perf_counter()
    side.advance(steps)
    side.wait()
    seconds = time.perf_counter() - start
    side.rest()
    return seconds


def warm(sides: Mapping[str, Side], steps: int | None) -> int:
    """Warm all sides up by the same number of steps, and say how many make a block.

    Where `steps` is None, the first side's steps are timed and a block of it is to take BLOCK_SECONDS. The
    shortest of some tries counts: what else the machine does can only lengthen them.
    """
    first, *others = sides.values()
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
    for side in others:
        timed(side, total)
    return block


def spread(values: list[float]) -> dict[str, Any]:
    """Median and quartiles of one value a round."""
    if len(values) == 1:
        return {"median": values[0], "quartiles": [values[0], values[0]], "values": values}
    low, _, high = quantiles(values, n=4, method="inclusive")
    return {"median": median(values), "quartiles": [low, high], "values": values}


@dataclass(frozen=True)
class Comparison:
    """Sides timed in turns.

    Attributes
    ----------
    steps : int
        Steps of a block.
    seconds : dict
        Times of each side's blocks, round by round.
    """

    steps: int
    seconds: dict[str, list[float]]

    def ratio(self, first: str, second: str) -> dict[str, Any]:
        """Median and quartiles of the first side's time over the second's in each round."""
        pairs = zip(self.seconds[first], self.seconds[second], strict=True)
        return {"of": f"{first} / {second}"} | spread([a / b for a, b in pairs])

    def describe(self) -> dict[str, Any]:
        """Every block's time, and the median milliseconds of a step of each side."""
        return {
            "steps_per_block": self.steps,
            "block_seconds": self.seconds,
            "step_ms": {name: 1e3 * median(each) / self.steps for name, each in self.seconds.items()},
        }


def compare(sides: Mapping[str, Side], steps: int | None, rounds: int) -> Comparison:
    """Time every side once a round, in the given order and in the next round backwards."""
    comparison = Comparison(warm(sides, steps), {name: [] for name in sides})
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            comparison.seconds[name].append(timed(sides[name], comparison.steps))
    return comparison
