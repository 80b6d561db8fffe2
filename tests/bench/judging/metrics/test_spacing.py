"""Spacing by its definition, and what leaves it as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.spacing import spacing

Compare = Callable[..., MetricInputs]


@pytest.fixture
def features(digit_features: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Features of real features."""
    return digit_features[1][:300]


def test_the_definition(compare: Compare, features: np.ndarray) -> None:
    apart = cdist(features.astype(np.float64), features.astype(np.float64))
    np.fill_diagonal(apart, np.inf)
    expected = np.median(apart.min(axis=1)) / np.sqrt(np.mean(pdist(features.astype(np.float64)) ** 2))
    assert spacing(compare(features, features)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [0.01, 0.5, 3.0])
def test_neither_scale_nor_place_changes_it(compare: Compare, features: np.ndarray, scale: float) -> None:
    moved = scale * features + 20 * scale
    assert spacing(compare(moved, features)) == pytest.approx(spacing(compare(features, features)), rel=1e-3)


@pytest.mark.parametrize("distinct", [1, 10, 150])
def test_repeated_samples_have_none(compare: Compare, features: np.ndarray, distinct: int) -> None:
    assert spacing(compare(np.resize(features[:distinct], features.shape), features)) < 1e-3


def test_few_samples_with_small_changes_have_little(compare: Compare, features: np.ndarray) -> None:
    random = np.random.default_rng(0)
    few = np.resize(features[:20], features.shape) + 0.05 * features.std(axis=0) * random.normal(
        size=features.shape
    )
    assert spacing(compare(few.astype(np.float32), features)) < 0.3 * spacing(compare(features, features))


def test_samples_of_a_plane_have_less_than_those_of_a_space(compare: Compare) -> None:
    random = np.random.default_rng(0)
    space = random.normal(size=(400, 20)).astype(np.float32)
    plane = (random.normal(size=(400, 2)) @ random.normal(size=(2, 20))).astype(np.float32)
    assert spacing(compare(plane, space)) < 0.2 * spacing(compare(space, space))
