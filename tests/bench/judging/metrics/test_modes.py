"""Known modes: covered, well met, and how unevenly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics import modes

Compare = Callable[..., MetricInputs]
MODES = 25


def on(counts: list[int], good: list[bool] | None = None) -> dict[str, object]:
    """So many samples of mode 0, 1 and so on; which of them lie well on it (all by default)."""
    of = np.repeat(np.arange(len(counts)), counts)
    seen: dict[str, object] = {"modes": of, "mode_count": MODES}
    if good is not None:
        seen["on_mode"] = np.array(good)
    return seen


EVEN = on([20] * MODES)


@pytest.mark.parametrize("shown", [1, 5, 24, 25])
def test_even_samples_of_m_modes_are_log_m_apart_and_cover_m(compare_batches: Compare, shown: int) -> None:
    inputs = compare_batches(on([40] * shown), EVEN)
    assert modes.reverse_kl(inputs) == pytest.approx(math.log(MODES / shown), abs=1e-12)
    assert modes.modes_covered(inputs) == shown
    assert modes.high_quality(inputs) == 1.0


def test_uneven_samples(compare_batches: Compare) -> None:
    inputs = compare_batches(on([90, 10]), on([50, 50]))
    assert modes.reverse_kl(inputs) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2))


def test_samples_off_their_mode_count_for_the_shares_but_do_not_cover_the_mode(
    compare_batches: Compare,
) -> None:
    inputs = compare_batches(on([4, 4], [True] * 3 + [False] * 5), EVEN)
    assert modes.modes_covered(inputs) == 1
    assert modes.high_quality(inputs) == 3 / 8
    assert modes.reverse_kl(inputs) == pytest.approx(math.log(MODES / 2))


def test_a_mode_that_no_real_sample_shows_counts_as_shown_by_one(compare_batches: Compare) -> None:
    inputs = compare_batches(on([0, 8]), on([500]))
    assert modes.reverse_kl(inputs) == pytest.approx(math.log(500))
