"""Precision, recall, density, coverage and duplicates where their values are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from train_digits_garments import Labelled

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.density_coverage import coverage, density
from bench.judging.metrics.duplicates import duplicates
from bench.judging.metrics.precision_recall import precision, recall

Compare = Callable[..., MetricInputs]


@pytest.fixture
def cloud() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)


def test_a_copy_of_the_real_samples_is_precise_and_covers_them(compare: Compare, cloud: np.ndarray) -> None:
    inputs = compare(cloud, cloud)
    assert precision(inputs) == recall(inputs) == coverage(inputs) == 1.0
    # each ball holds the copy of its centre and of the four nearest; that of the fifth lies at its edge
    assert density(inputs) == 1.0


def squared_distances_without_rounding(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """By differences of coordinates: a copy is exactly as far from a sample as the sample that it copies."""
    return np.array([np.square(columns - row).sum(axis=1) for row in rows])


def test_samples_at_the_edge_of_a_ball_are_decided_by_the_rule_and_not_by_rounding(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    """Half of the generated samples are exact copies of real ones, in the features of a network."""
    blurred, real = digit_features
    generated = np.concatenate([real[np.random.default_rng(5).permutation(700)[:350]], blurred[:350]])
    exact, exact_real = generated.astype(np.float64), real.astype(np.float64)
    between = squared_distances_without_rounding(exact, exact_real)
    reach = np.sort(squared_distances_without_rounding(exact_real, exact_real), axis=1)
    third = np.sort(squared_distances_without_rounding(exact, exact), axis=1)[:, 3]
    assert (between == reach[:, 5]).sum() > 200  # at an edge

    inputs = compare(generated, real)
    assert density(inputs) == (between < reach[:, 5]).sum() / (5 * 700)
    assert coverage(inputs) == (between < reach[:, 5]).any(axis=0).mean()
    assert precision(inputs) == (between <= reach[:, 3]).any(axis=1).mean()
    assert recall(inputs) == (between <= third[:, None]).any(axis=0).mean()


def test_copies_of_samples_that_occur_more_often_than_neighbours_are_asked_for(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    """Balls of radius 0 are empty if they are open, and hold the copies if they are closed."""
    real = np.repeat(digit_features[1][:100], 7, axis=0)
    inputs = compare(real[::-1].copy(), real)
    assert precision(inputs) == recall(inputs) == 1.0
    assert density(inputs) == coverage(inputs) == 0.0


def test_sets_far_apart_share_nothing(compare: Compare, cloud: np.ndarray) -> None:
    inputs = compare(cloud + 1000, cloud)
    assert precision(inputs) == recall(inputs) == coverage(inputs) == density(inputs) == 0.0


def test_one_real_sample_repeated_is_precise_but_neither_recalls_nor_covers(
    compare: Compare, cloud: np.ndarray
) -> None:
    # every generated sample lies in the balls that hold the real one
    inputs = compare(np.repeat(cloud[:1], 400, axis=0), cloud)
    assert precision(inputs) == 1.0
    assert recall(inputs) <= 1 / 400
    apart = ((cloud.astype(np.float64) - cloud[0]) ** 2).sum(axis=1)
    held = (apart < inputs.real_features.neighbours[:, 4] * (1 - 1e-6)).mean()  # nearer than the fifth
    assert coverage(inputs) == pytest.approx(held)
    assert held < 0.1


def test_points_on_a_line(compare: Compare) -> None:
    real = np.arange(12.0)[:, None]  # the 3rd nearest is 2 away, 3 at the ends; the 5th 3, up to 5
    generated = np.array([-2.9, -3.1, 14.2, 5.4] + [100.0] * 8)[:, None]
    inputs = compare(generated, real)
    assert precision(inputs) == pytest.approx(2 / 12)  # -2.9 and 5.4
    # 5.4's balls of the 5th nearest: 2 to 9 (3 away, of 3 to 8; 4 away for 2 and 9)
    reaches = np.array([5, 4, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5])
    inside = np.abs(generated - real.T) <= reaches
    assert density(inputs) == pytest.approx(inside.sum() / 60)
    assert coverage(inputs) == pytest.approx(inside.any(axis=0).mean())


def test_recall_is_precision_with_the_sides_exchanged(compare: Compare, cloud: np.ndarray) -> None:
    others = 0.7 * np.random.default_rng(1).normal(size=cloud.shape).astype(np.float32)
    assert (
        recall(compare(others, cloud))
        == precision(compare(cloud, others))
        != precision(compare(others, cloud))
    )


def test_samples_that_occur_twice_are_all_duplicates_in_one_batch_too(
    compare: Compare, cloud: np.ndarray
) -> None:
    assert duplicates(compare(np.repeat(cloud[:200], 2, axis=0), cloud)) == 1.0
    assert duplicates(compare(np.repeat(cloud[:1], 400, axis=0), cloud)) == 1.0


def test_a_share_of_twins(compare: Compare, cloud: np.ndarray) -> None:
    fresh = np.random.default_rng(1).normal(size=cloud.shape).astype(np.float32)
    spread = duplicates(compare(fresh, cloud))
    fresh[:50] = fresh[50:100]
    assert spread < 0.03
    assert duplicates(compare(fresh, cloud)) == pytest.approx(0.25, abs=0.03)


def test_where_real_samples_have_exact_twins_equal_samples_are_duplicates_and_near_ones_are_not(
    compare: Compare, cloud: np.ndarray
) -> None:
    real = cloud.copy()
    real[:20] = real[20:40]  # 10% have a twin, so the nearest 1% are equal
    fresh = np.random.default_rng(1).normal(size=cloud.shape).astype(np.float32)
    assert duplicates(compare(fresh, real)) == 0.0
    twins = fresh.copy()
    twins[:100] = twins[100:200]
    inputs = compare(twins, real)
    assert inputs.generated_features.neighbours[:200, 0].max() > 0  # equal but for rounding
    assert duplicates(inputs) == 0.5
    near = twins.copy()
    near[:100, 0] += 0.001
    assert duplicates(compare(near, real)) == 0.0


def test_other_digits_have_about_as_many_twins_as_the_real_ones(
    compare: Compare, digits: Labelled, shipped: Callable[..., object]
) -> None:
    rows = np.random.default_rng(3).permutation(5000)
    features = shipped(digits.images[rows]).features.numpy()  # type: ignore[attr-defined]
    assert 0.003 < duplicates(compare(features[:2500], features[2500:])) < 0.02
