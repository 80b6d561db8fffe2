"""The Fréchet distance of fewer samples and of infinitely many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import linregress

from bench.datasets import fixed_draws
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.frechet import of_samples
from bench.judging.metrics.frechet_counts import (
    COUNTS,
    at_infinity,
    of_a_half,
    of_a_tenth,
    of_infinitely_many,
)

Compare = Callable[..., MetricInputs]


def distance(generated: np.ndarray, real: np.ndarray) -> float:
    """Heusel et al., equation 6, with scipy's root of the product."""
    shift = generated.mean(axis=0) - real.mean(axis=0)
    first, second = np.cov(generated, rowvar=False), np.cov(real, rowvar=False)
    root = sqrtm(first @ second).real
    return float(shift @ shift + np.trace(first + second - 2 * root))


def test_the_line_through_the_distances_of_fifteen_counts(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(800, 5)), 1.1 * rng.normal(size=(800, 5)) + 0.2
    counts = np.linspace(80, 800, 15).astype(int)
    distances = [
        distance(generated[fixed_draws.permutation(draw, 800)[:count]], real)
        for draw, count in enumerate(counts)
    ]
    inputs = compare(generated, real)
    expected = linregress(1 / counts, distances).intercept
    assert of_infinitely_many(inputs) == pytest.approx(expected, rel=1e-5)
    assert len(counts) == COUNTS
    chosen = fixed_draws.permutation(0, 800)
    assert of_a_tenth(inputs) == pytest.approx(distance(generated[chosen[:80]], real), rel=1e-5)
    assert of_a_half(inputs) == pytest.approx(distance(generated[chosen[:400]], real), rel=1e-5)


def test_a_bias_that_falls_with_the_count_is_taken_off() -> None:
    counts = np.array([100, 200, 400, 1000])
    assert at_infinity(counts, 3 + 50 / counts) == pytest.approx(3)


def test_fewer_samples_are_farther_and_infinitely_many_nearer(compare: Compare) -> None:
    """Of 64 dimensions, the bias of 1,000 samples is most of the distance of two equal distributions."""
    real, generated = np.random.default_rng(0).normal(size=(2, 1000, 64))
    inputs = compare(generated, real)
    whole = of_samples(inputs)
    assert of_a_tenth(inputs) > 3 * of_a_half(inputs) > 3 * whole
    assert of_infinitely_many(inputs) < 0.7 * whole
