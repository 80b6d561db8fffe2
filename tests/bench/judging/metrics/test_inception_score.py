"""The inception score of probabilities whose score is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.inception_score import inception_score, inception_score_of_splits

Compare = Callable[..., MetricInputs]


def score(compare_batches: Compare, rows: np.ndarray) -> float:
    seen = {"probabilities": rows}
    return inception_score(compare_batches(seen, seen))


@pytest.mark.parametrize("kinds", [2, 10, 1008])
def test_sure_and_even_predictions_score_the_number_of_classes(compare_batches: Compare, kinds: int) -> None:
    assert score(compare_batches, np.tile(np.eye(kinds), (3, 1))) == pytest.approx(kinds, rel=1e-12)


@pytest.mark.parametrize("row", [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [1 / 3] * 3])
def test_equal_predictions_score_1(compare_batches: Compare, row: list[float]) -> None:
    assert score(compare_batches, np.tile(row, (50, 1))) == pytest.approx(1.0, abs=1e-12)


def test_two_kinds_of_unsure_predictions(compare_batches: Compare) -> None:
    rows = np.array([[0.75, 0.25], [0.25, 0.75]] * 10)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert score(compare_batches, rows) == pytest.approx(math.exp(expected), rel=1e-12)


def test_of_splits_is_the_mean_over_ten_parts_of_consecutive_samples(compare_batches: Compare) -> None:
    """Nine parts show one class each, the tenth shows two: as a whole they show three."""
    rows = np.eye(3)[[0] * 40 + [1] * 50 + [1, 2] * 5]
    seen = {"probabilities": rows}
    assert inception_score_of_splits(compare_batches(seen, seen)) == pytest.approx((9 * 1 + 2) / 10)
    assert score(compare_batches, rows) > 2
