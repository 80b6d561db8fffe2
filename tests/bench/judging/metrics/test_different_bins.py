"""NDB: bins of the real samples, and the test of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chi2_contingency

from bench.judging.bins import LEAST_IN_BIN, SIGNIFICANCE, Bins, significant
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.different_bins import different_bins

Compare = Callable[..., MetricInputs]


@pytest.fixture(scope="module")
def features(digit_features: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return digit_features[0].astype(np.float64), digit_features[1].astype(np.float64)


def test_a_sample_is_in_the_bin_of_the_nearest_centre_and_the_centre_is_the_mean_of_its_bin(
    features: tuple[np.ndarray, np.ndarray],
) -> None:
    blurred, real = features
    bins = Bins.of(real)
    assert len(bins.centres) == 700 // LEAST_IN_BIN
    np.testing.assert_array_equal(bins.assign(blurred), cdist(blurred, bins.centres).argmin(axis=1))
    assert bins.counts.sum() == 700
    assert (bins.counts > 0).all()
    own = bins.assign(real)
    means = np.array([real[own == number].mean(axis=0) for number in range(len(bins.centres))])
    assert cdist(means, bins.centres).diagonal().mean() < 0.05 * cdist(real, bins.centres).min(axis=1).mean()
    np.testing.assert_array_equal(Bins.of(real).centres, bins.centres)


def test_the_test_of_a_bin_is_the_chi_square_test_of_its_four_counts() -> None:
    bins = Bins(np.zeros((4, 1)), np.array([40, 300, 10, 150]))
    counts = np.array([60, 290, 2, 148])
    deviations = bins.deviations(counts)
    for z, real, generated in zip(deviations, bins.counts, counts, strict=True):
        table = [[real, 500 - real], [generated, 500 - generated]]
        theirs = chi2_contingency(table, correction=False)
        assert z**2 == pytest.approx(theirs.statistic)
        assert np.sign(z) == np.sign(generated - real)
        assert significant(np.array([z]))[0] == (theirs.pvalue < SIGNIFICANCE)
    assert significant(deviations).tolist() == [True, False, True, False]


def test_where_all_samples_are_in_one_bin_nothing_differs() -> None:
    bins = Bins(np.zeros((1, 1)), np.array([30]))
    assert bins.deviations(np.array([12])).tolist() == [0.0]


def test_other_digits_differ_in_one_bin_of_twenty_and_one_class_in_most(
    compare: Compare, features: tuple[np.ndarray, np.ndarray]
) -> None:
    real = features[1]
    assert different_bins(compare(real[:350], real[350:])) < 0.25
    assert different_bins(compare(np.repeat(real[:1], 350, axis=0), real[350:])) > 0.5


def test_equal_real_samples_fill_one_bin(compare: Compare) -> None:
    same = np.ones((100, 3))
    inputs = compare(same, same)
    assert inputs.real_features.bins.counts.tolist() == [100]
    assert different_bins(inputs) == 0.0
