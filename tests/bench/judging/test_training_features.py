"""The search of the nearest training samples agrees with all distances by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from bench.judging.training_features import TrainingFeatures

LEFT_OUT = [range(0), range(40, 60), range(1990, 2015), range(2000, 4500)]


def cloud(count: int, seed: int, width: int = 6) -> np.ndarray:
    """Points far from the origin, where differences of squares lose digits."""
    drawn = np.random.default_rng(seed).normal(100, 1, size=(count, width))
    return drawn.astype(np.float32)


def searched(training: np.ndarray, left_out: range = range(0)) -> TrainingFeatures:
    return TrainingFeatures(training, training.mean(axis=0, dtype=np.float64)).without(left_out)


@pytest.mark.parametrize("left_out", LEFT_OUT, ids=str)
def test_the_nearest_one_of_those_that_are_not_left_out(left_out: range) -> None:
    training, generated = cloud(4500, 0), cloud(300, 1).astype(np.float64)
    apart = cdist(generated, training, "sqeuclidean")
    apart[:, left_out] = np.inf
    found = searched(training, left_out).nearest(generated)
    np.testing.assert_array_equal(found.indices, apart.argmin(axis=1))
    np.testing.assert_allclose(found.squared, apart.min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("left_out", LEFT_OUT, ids=str)
def test_a_training_sample_is_not_its_own_neighbour(left_out: range) -> None:
    training = cloud(4500, 0)
    apart = cdist(training, training, "sqeuclidean")
    np.fill_diagonal(apart, np.inf)
    apart[:, left_out] = np.inf
    features = searched(training, left_out)
    asked = np.array([7, 3000, 7, 4499, 1999, 2000])
    for _ in range(2):
        np.testing.assert_allclose(features.to_nearest_other(asked), apart.min(axis=1)[asked], rtol=1e-12)


def test_the_distance_to_a_copy_is_exactly_0() -> None:
    training = cloud(3000, 0, width=64)
    found = searched(training).nearest(training[::7].astype(np.float64))
    np.testing.assert_array_equal(found.indices, np.arange(0, 3000, 7))
    assert not found.squared.any()


def test_what_was_found_of_neighbours_is_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    features = searched(cloud(200, 0))
    first = features.to_nearest_other(np.array([5, 9]))
    asked: list[int] = []
    search = TrainingFeatures._search

    def counting(self: TrainingFeatures, vectors: np.ndarray, own: np.ndarray) -> object:
        asked.extend(own)
        return search(self, vectors, own)

    monkeypatch.setattr(TrainingFeatures, "_search", counting)
    assert features.to_nearest_other(np.array([9, 11, 5]))[[2, 0]].tolist() == first.tolist()
    assert asked == [11]
