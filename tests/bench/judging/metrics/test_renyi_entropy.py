"""Rényi kernel entropies pair by pair, and where the number of modes is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.renyi_entropy import mode_count, relative_entropy, squared_bandwidth

Compare = Callable[..., MetricInputs]


def kernel(rows: np.ndarray, columns: np.ndarray, bandwidth: float) -> np.ndarray:
    return np.array([[math.exp(-0.5 * np.sum((x - y) ** 2) / bandwidth**2) for y in columns] for x in rows])


def bandwidth_by_definition(real: np.ndarray) -> float:
    apart = [np.linalg.norm(real[i] - real[j]) for i in range(len(real)) for j in range(i)]
    return 0.5 * float(np.median(apart))


def test_the_definitions_pair_by_pair(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    blurred, real = (part[:90].astype(np.float64) for part in digit_features)
    bandwidth = bandwidth_by_definition(real)
    assert squared_bandwidth(real) == pytest.approx(bandwidth**2, rel=1e-3)
    inputs = compare(blurred, real)
    entropy = -math.log((kernel(blurred, blurred, bandwidth) ** 2).mean())
    assert mode_count(inputs) == pytest.approx(math.exp(entropy), rel=1e-3)
    nuclear = np.linalg.norm(kernel(blurred, real, bandwidth) / math.sqrt(90 * 90), "nuc")
    assert relative_entropy(inputs) == pytest.approx(-math.log(nuclear**2), rel=1e-3)


@pytest.mark.parametrize("modes", [1, 2, 5, 8])
def test_modes_far_apart_are_counted(compare: Compare, modes: int) -> None:
    rng = np.random.default_rng(0)
    corners = 10 * np.eye(8)[np.arange(400) % 8]
    real = corners + 0.01 * rng.normal(size=(400, 8))
    generated = 10 * np.eye(8)[np.arange(400) % modes] + 0.01 * rng.normal(size=(400, 8))
    # the kernel's s is half of the distance between modes, so its square between two modes is exp(-4)
    expected = modes / (1 + (modes - 1) * math.exp(-4))
    assert mode_count(compare(generated, real)) == pytest.approx(expected, rel=0.01)


def test_a_set_has_no_relative_entropy_to_itself_and_some_to_a_part_of_it(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    real = digit_features[1][:300]
    assert relative_entropy(compare(real[::-1].copy(), real)) == pytest.approx(0, abs=1e-5)
    others = relative_entropy(compare(digit_features[1][300:600], real))
    part = relative_entropy(compare(np.repeat(digit_features[1][300:310], 30, axis=0), real))
    assert 0 < others < part


def test_samples_far_from_all_real_ones_and_equal_real_samples_have_finite_values(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(50, 4))
    assert math.isfinite(relative_entropy(compare(real + 1e6, real)))
    same = compare(real, np.ones((50, 4)))
    assert mode_count(same) == pytest.approx(50)
    assert math.isfinite(relative_entropy(same))
