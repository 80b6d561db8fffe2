"""The Fréchet distance against closed forms and general matrix roots."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from bench.judging.metrics.frechet import frechet_distance
from bench.judging.moments import Moments
from bench.system.errors import WorkError


def exact(mean: np.ndarray, covariance: np.ndarray) -> Moments:
    """Moments that are given, not measured."""
    moments = Moments(len(mean), "given")
    moments.count, moments.mean, moments.scatter = 101, mean, covariance * 100
    return moments


def random_covariance(rng: np.random.Generator, width: int) -> np.ndarray:
    factor = rng.normal(size=(width, width))
    return factor @ factor.T / width


def test_a_shift_costs_its_squared_length() -> None:
    covariance = random_covariance(np.random.default_rng(0), 6)
    shift = np.arange(6.0)
    distance = frechet_distance(exact(np.zeros(6), covariance), exact(shift, covariance))
    assert distance == pytest.approx(55.0, rel=1e-10)


def test_diagonal_covariances_compare_standard_deviations() -> None:
    first, second = np.array([1.0, 4.0, 9.0, 0.0]), np.array([4.0, 4.0, 1.0, 2.25])
    expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    distance = frechet_distance(exact(np.zeros(4), np.diag(first)), exact(np.zeros(4), np.diag(second)))
    assert distance == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("width", [1, 2, 16, 64])
def test_full_covariances_agree_with_a_general_matrix_root(width: int) -> None:
    rng = np.random.default_rng(width)
    means, covariances = rng.normal(size=(2, width)), [random_covariance(rng, width) for _ in range(2)]
    trace = np.trace(covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    expected = ((means[0] - means[1]) ** 2).sum() + trace
    first, second = (exact(mean, covariance) for mean, covariance in zip(means, covariances, strict=True))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(frechet_distance(first, second), rel=1e-9)


def test_fewer_images_than_features_agree_with_singular_values_of_the_features() -> None:
    rng = np.random.default_rng(1)
    sets = rng.normal(size=(2, 20, 300)) * np.geomspace(1, 1e-3, 300)
    centred = [part - part.mean(axis=0) for part in sets]
    trace = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum() / 19
    shift = sets[0].mean(axis=0) - sets[1].mean(axis=0)
    expected = shift @ shift + sum((part**2).sum() / 19 for part in centred) - 2 * trace
    first, second = (Moments(300).update(part) for part in sets)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-7)


def test_a_set_is_at_no_distance_from_itself() -> None:
    moments = Moments(8).update(np.random.default_rng(0).normal(size=(50, 8)))
    assert 0 <= frechet_distance(moments, moments) < 1e-9


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_refused_by_name(count: int) -> None:
    few, many = Moments(3, "a lonely set").update(np.zeros((count, 3))), Moments(3).update(np.eye(3))
    with pytest.raises(WorkError, match=f"a lonely set.* at least 2 samples, not {count}"):
        frechet_distance(few, many)


def test_widths_must_agree() -> None:
    with pytest.raises(ValueError, match="width 3.* of 4"):
        frechet_distance(Moments(3), Moments(4))
