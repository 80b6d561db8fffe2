"""Clipped density and coverage against a plain re-writing of the paper, with all distances by scipy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import betabinom

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.clipped_density_coverage import (
    clipped_coverage,
    clipped_density,
    expected_coverage,
)

Compare = Callable[..., MetricInputs]
K = 5


def density_by_definition(generated: np.ndarray, real: np.ndarray) -> float:
    among = cdist(real, real)
    np.fill_diagonal(among, np.inf)
    radii = np.sort(among, axis=1)[:, K - 1]
    radii = np.minimum(radii, np.median(radii))
    found = np.mean([min(sum(row <= radii) / K, 1) for row in cdist(generated, real)])
    ideal = np.mean([min(sum(row <= radii) / K, 1) for row in among])
    return min(found / ideal, 1)


def coverage_by_definition(generated: np.ndarray, real: np.ndarray) -> float:
    among = cdist(real, real)
    np.fill_diagonal(among, np.inf)
    radii = np.sort(among, axis=1)[:, K - 1]
    held = [
        min((column < radius).sum() / K, 1)
        for column, radius in zip(cdist(real, generated), radii, strict=True)
    ]
    scale = [0.0] * K + [
        betabinom(good, K, len(real) - K).expect(lambda j: np.minimum(j, K)) / K
        for good in range(K, len(generated) + 1)
    ]
    return int(sum(value < np.mean(held) for value in scale)) / len(scale)


@pytest.fixture(scope="module")
def sets(digit_features: tuple[np.ndarray, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Generated and real features, 200 of each."""
    blurred, real = (part.astype(np.float64) for part in digit_features)
    return {
        "other digits": (real[200:400], real[:200]),
        "blurred": (blurred[:200], real[:200]),
        "half far away": (np.concatenate([real[200:300], real[300:400] + 1000]), real[:200]),
        "few of them": (np.repeat(real[200:210], 20, axis=0), real[:200]),
    }


@pytest.mark.parametrize("name", ["other digits", "blurred", "half far away", "few of them"])
def test_the_definitions(compare: Compare, sets: dict[str, tuple[np.ndarray, np.ndarray]], name: str) -> None:
    generated, real = sets[name]
    inputs = compare(generated, real)
    assert clipped_density(inputs) == pytest.approx(density_by_definition(generated, real), rel=1e-12)
    assert clipped_coverage(inputs) == coverage_by_definition(generated, real)


def test_an_odd_number_of_real_samples_with_copies_at_the_edges(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    """The radius of the median ball is its own, and the fifth neighbour of its centre lies at its edge."""
    real = digit_features[1][:151].astype(np.float64)
    inputs = compare(real, real)
    assert clipped_density(inputs) == pytest.approx(density_by_definition(real, real), rel=1e-12)
    assert clipped_density(inputs) == 1.0


@pytest.mark.parametrize("good", [0.25, 0.5, 0.75])
def test_a_share_of_good_samples_is_their_value(compare: Compare, good: float) -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(2, 1500, 8))
    generated[int(good * 1500) :] += 1000
    inputs = compare(generated, real)
    assert clipped_density(inputs) == pytest.approx(good, abs=0.05)
    assert clipped_coverage(inputs) == pytest.approx(good, abs=0.05)


def test_an_outlier_among_the_real_samples_covers_no_bad_ones(compare: Compare) -> None:
    """The balls of the outliers are large; they count as large as the median one."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 4))
    real[:6] *= 50
    bad = rng.normal(size=(300, 4)) + 30
    assert clipped_density(compare(bad, real)) == 0.0


def test_the_scale_of_the_coverage_is_the_mean_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    scale = expected_coverage(40, 30)
    assert len(scale) == 31
    assert (np.diff(scale[K:]) > 0).all()
    draws = []
    for _ in range(400):
        real, good = rng.normal(size=(40, 2)), rng.normal(size=(20, 2))
        among = cdist(real, real)
        np.fill_diagonal(among, np.inf)
        radii = np.sort(among, axis=1)[:, K - 1]
        draws.append(np.minimum((cdist(real, good) < radii[:, None]).sum(axis=1), K).mean() / K)
    assert np.mean(draws) == pytest.approx(scale[20], abs=0.01)
