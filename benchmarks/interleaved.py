"""Interleaved timing: sides take turns, so that a drift of the machine's speed affects all sides alike."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

BLOCK_SECONDS = 1.0  # target length of a block
CALIBRATION_SECONDS = 0.3  # minimum length of a block for the calibration
CALIBRATION_REPEATS = 3
WARM_UP_STEPS = 3


class Side:
    """Base class of things whose steps are timed in turns; every method does nothing."""

    def prepare(self, steps: int) -> None:
        """Do untimed work before a block."""

    def advance(self, steps: int) -> None:
        """Run `steps` further steps."""

    def wait(self) -> None:
        """Wait until the device is idle."""

    def rest(self) -> None:
        """Do untimed work after a block."""


def timed(side: Side, steps: int) -> float:
    """Run one block and return its seconds."""
    side.prepare(steps)
    side.wait()
    start = time.perf_counter()
    side.advance(steps)
    side.wait()
    seconds = time.perf_counter() - start
    side.rest()
    return seconds


def warm_up(sides: Mapping[str, Side], steps: int | None) -> int:
    """Run the same number of untimed steps on all sides, and return the number of steps per block.

    If `steps` is None, the block is calibrated to take BLOCK_SECONDS on the first side. The shortest of
    several repeats counts, since other work on the machine can only lengthen a block.
    """
    first, *others = sides.values()
    timed(first, WARM_UP_STEPS)
    total = WARM_UP_STEPS
    block = steps or 1
    while steps is None:
        seconds = min(timed(first, block) for _ in range(CALIBRATION_REPEATS))
        total += CALIBRATION_REPEATS * block
        if seconds >= CALIBRATION_SECONDS:
            block = max(1, round(block * BLOCK_SECONDS / seconds))
            break
        block *= 2
    for side in others:
        timed(side, total)
    return block


def spread(values: list[float]) -> dict[str, Any]:
    """Return median and quartiles of one value per round."""
    if len(values) == 1:
        return {"median": values[0], "quartiles": [values[0], values[0]], "values": values}
    low, _, high = quantiles(values, n=4, method="inclusive")
    return {"median": median(values), "quartiles": [low, high], "values": values}


@dataclass(frozen=True)
class Comparison:
    """Times of interleaved sides.

    Attributes
    ----------
    steps : int
        Steps per block.
    seconds : dict
        Seconds of each side's blocks, one per round.
    """

    steps: int
    seconds: dict[str, list[float]]

    def ratio(self, first: str, second: str) -> dict[str, Any]:
        """Return median and quartiles, over the rounds, of the first side's time / the second's."""
        pairs = zip(self.seconds[first], self.seconds[second], strict=True)
        return {"of": f"{first} / {second}"} | spread([a / b for a, b in pairs])

    def describe(self) -> dict[str, Any]:
        """Return the time of every block, and the median milliseconds per step of each side."""
        return {
            "steps_per_block": self.steps,
            "block_seconds": self.seconds,
            "step_ms": {name: 1e3 * median(each) / self.steps for name, each in self.seconds.items()},
        }


def compare(sides: Mapping[str, Side], steps: int | None, rounds: int) -> Comparison:
    """Time every side once per round, in the given order and in reversed order in every other round."""
    comparison = Comparison(warm_up(sides, steps), {name: [] for name in sides})
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            comparison.seconds[name].append(timed(sides[name], comparison.steps))
    return comparison
