"""The sliced Wasserstein distance where it is known, and by scipy's transport of each projection."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from bench.judging.metrics.sliced_wasserstein import DIRECTIONS, directions, sliced_wasserstein


def test_directions_are_unit_vectors_of_all_directions() -> None:
    drawn = directions(3)
    assert drawn.shape == (DIRECTIONS, 3)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1)
    np.testing.assert_allclose(drawn.T @ drawn / DIRECTIONS, np.eye(3) / 3, atol=0.03)


def test_a_shift_counts_three_times_its_square(digit_features: tuple[np.ndarray, np.ndarray]) -> None:
    """The mean of (u.v)^2 over all unit vectors u is |v|^2 / d."""
    real = digit_features[1].astype(np.float64)
    shift = np.random.default_rng(0).normal(size=64)
    # four standard errors: (u.v)^2 d / |v|^2 has a variance of nearly 2
    assert sliced_wasserstein(real + shift, real) == pytest.approx(
        3 * shift @ shift, rel=4 * (2 / 1000) ** 0.5
    )
    assert sliced_wasserstein(real[::-1], real) == pytest.approx(0, abs=1e-12)


def test_the_best_transport_of_each_projection() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(40, 3)), rng.gamma(2, size=(40, 3))
    squares = []
    for direction in directions(3):
        cost = cdist((first @ direction)[:, None], (second @ direction)[:, None], "sqeuclidean")
        squares.append(cost[linear_sum_assignment(cost)].mean())
    assert sliced_wasserstein(first, second) == pytest.approx(3 * 3 * np.mean(squares), rel=1e-9)
