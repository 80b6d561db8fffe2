"""Lengths in epochs become steps, whatever number of real batches a step takes."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bench.configuration import MOST_STEPS
from bench.execution.step_counts import steps_of_epochs


def wgan(steps: int) -> int:
    """100 critic steps in the first 25 steps and in every 500th, else 5."""
    return 5 * steps + 95 * (min(steps, 25) + max(0, steps // 500))


COUNTS: dict[str, Callable[[int], int]] = {
    "one a step": lambda steps: steps,
    "five a step": lambda steps: 5 * steps,
    "one in four steps": lambda steps: -(-steps // 4),
    "one, and another in three steps": lambda steps: steps + -(-steps // 3),
    "many at first": wgan,
    "ever more": lambda steps: steps * steps,
    "few at first": lambda steps: 1 if steps < 50_000 else 1 + 7 * (steps - 50_000),
}


class Counting(SimpleNamespace):
    """A variant that counts its real batches, and how many steps it was asked about."""

    def real_batches(self, steps: int) -> int:
        assert 0 <= steps <= MOST_STEPS
        self.asked += steps
        return self.count(steps)


@pytest.mark.parametrize("real_batches", [1, 2, 3, 7, 100, 2600, 99_999, 10_000_000])
@pytest.mark.parametrize("count", COUNTS.values(), ids=list(COUNTS))
def test_no_other_number_of_steps_takes_nearer_to_the_epochs_batches(
    count: Callable[[int], int], real_batches: int
) -> None:
    steps = steps_of_epochs(Counting(count=count, asked=0), real_batches)
    assert steps >= 1
    assert count(steps - 1) <= real_batches or steps == 1
    distance = abs(count(steps) - real_batches)
    for other in {max(1, steps + by) for by in (-1000, -2, -1, 1, 2, 1000)}:
        assert distance <= abs(count(other) - real_batches), other


@pytest.mark.parametrize("count", [COUNTS["five a step"], wgan], ids=["five a step", "many at first"])
def test_long_trainings_are_counted_few_times(count: Callable[[int], int]) -> None:
    """A variant may count step by step."""
    variant = Counting(count=count, asked=0)
    steps = steps_of_epochs(variant, 10_000_000)
    assert variant.asked < 8 * steps


def test_epochs_that_no_number_of_steps_takes_are_too_many() -> None:
    assert steps_of_epochs(Counting(count=lambda steps: 0, asked=0), 10) > MOST_STEPS
    assert steps_of_epochs(Counting(count=COUNTS["one a step"], asked=0), MOST_STEPS) == MOST_STEPS
    assert steps_of_epochs(Counting(count=COUNTS["one a step"], asked=0), MOST_STEPS + 1) > MOST_STEPS
