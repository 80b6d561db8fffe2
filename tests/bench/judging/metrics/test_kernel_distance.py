"""The kernel distance against expectations on paper and the sum over pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.kernel_distance import kernel_distance

Compare = Callable[..., MetricInputs]


def expected(shift: float) -> float:
    """Squared MMD of N(0, 1) and N(shift, 1) under (ab + 1)^3.

    The kernel's features are 1, sqrt(3) x, sqrt(3) x^2 and x^3; their means differ by the three terms below.
    """
    return 3 * shift**2 + 3 * (shift**2) ** 2 + (shift**3 + 3 * shift) ** 2


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 1.0])
def test_the_mean_over_many_draws_is_the_expectation(compare: Compare, shift: float) -> None:
    rng = np.random.default_rng(0)
    draws = [
        kernel_distance(compare(rng.normal(shift, 1, (60, 1)), rng.normal(size=(60, 1)))) for _ in range(1500)
    ]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - expected(shift)) < 4 * error
    assert error < (0.03 if shift == 0 else 0.25 * expected(shift))


def test_equal_distributions_have_negative_kernel_distances_as_often_as_positive_ones(
    compare: Compare,
) -> None:
    rng = np.random.default_rng(1)
    draws = [kernel_distance(compare(*rng.normal(size=(2, 50, 3)))) for _ in range(200)]
    assert min(draws) < 0 < max(draws)


@pytest.mark.parametrize("count", [7, 1203])
def test_the_kernel_distance_is_a_mean_over_pairs_of_different_samples(compare: Compare, count: int) -> None:
    rng = np.random.default_rng(2)
    generated, real = rng.normal(size=(count, 5)).astype(np.float32), rng.normal(1, 1, (count, 5))
    real = real.astype(np.float32)
    first, second = generated.astype(np.float64), real.astype(np.float64)
    others = ~np.eye(count, dtype=bool)
    kernels = [(a @ b.T / 5 + 1) ** 3 for a, b in ((first, first), (second, second), (first, second))]
    by_pairs = kernels[0][others].mean() + kernels[1][others].mean() - 2 * kernels[2].mean()
    assert kernel_distance(compare(generated, real)) == pytest.approx(by_pairs, rel=1e-9)
