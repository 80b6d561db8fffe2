"""Covered and effective classes of predictions that are given."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics import classes

Compare = Callable[..., MetricInputs]


def sure(shares: list[int], probability: float = 1.0) -> dict[str, np.ndarray]:
    """So many images of each class, predicted with that probability."""
    kinds = len(shares)
    rest = (1 - probability) / (kinds - 1)
    rows = np.repeat(np.eye(kinds) * (probability - rest) + rest, shares, axis=0)
    return {"probabilities": rows}


REAL = sure([100] * 10)


@pytest.mark.parametrize(
    ("generated", "covered"),
    [
        (sure([100] * 10), 10),
        (sure([1000] + [0] * 9), 1),
        (sure([20] * 9 + [820]), 10),  # a fifth of the real share is enough
        (sure([19] + [20] * 8 + [821]), 9),
        (sure([100] * 10, 0.9), 10),
        (sure([100] * 10, 0.89), 0),
    ],
)
def test_classes_covered(compare_batches: Compare, generated: dict[str, np.ndarray], covered: int) -> None:
    assert classes.classes_covered(compare_batches(generated, REAL)) == covered


def test_a_class_of_less_than_a_hundredth_of_the_real_images_does_not_count(
    compare_batches: Compare,
) -> None:
    real = sure([495, 495, 9, 1])
    assert classes.classes_covered(compare_batches(real, real)) == 2


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([7, 0], 1.0), ([5] * 10, 10.0), ([5] * 3 + [0] * 7, 3.0), ([75, 25], math.exp(0.5623351446))],
)
def test_effective_classes(compare_batches: Compare, shares: list[int], expected: float) -> None:
    seen = sure(shares)
    assert classes.of_samples(compare_batches(seen, REAL)) == pytest.approx(expected)
    counts = np.array(shares) / sum(shares)
    assert classes.effective_classes(counts.tolist()) == pytest.approx(expected)
