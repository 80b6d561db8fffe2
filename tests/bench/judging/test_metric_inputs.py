"""Distances and nearest neighbours agree with scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from bench.judging.metric_inputs import NEIGHBOURS, PairedFeatures, neighbours, squared_distances


@pytest.mark.parametrize(("rows", "columns", "width"), [(7, 9, 2), (1203, 6, 64), (6, 501, 300)])
def test_squared_distances(rows: int, columns: int, width: int) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(rows, width)), rng.normal(3, 2, size=(columns, width))
    found = squared_distances(first, second)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, cdist(first, second, "sqeuclidean"), rtol=1e-6)


@pytest.mark.parametrize("count", [6, 500, 1203])
def test_neighbours_are_the_nearest_others_in_order(count: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(count, 3))
    apart = cdist(vectors, vectors, "sqeuclidean")
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(neighbours(vectors), np.sort(apart, axis=1)[:, :NEIGHBOURS], rtol=1e-6)


def test_a_sample_is_not_its_own_neighbour_but_its_copy_is() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    vectors[1] = vectors[0]
    nearest = neighbours(vectors)[:, 0]
    assert (nearest[:2] < 1e-12).all()
    assert (nearest[2:] > 0.01).all()


def test_results_of_paired_features_are_computed_once() -> None:
    features = PairedFeatures(np.ones((3, 2), dtype=np.float32), np.zeros(2))
    calls = []

    def total(values: np.ndarray) -> float:
        calls.append(values.dtype)
        return float(values.sum())

    assert [features.cached(total) for _ in range(3)] == [6.0] * 3
    assert calls == [np.float64]
    assert features.cached(lambda values: float(len(values))) == 3.0
