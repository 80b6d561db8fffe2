"""Means and covariances gathered over batches."""

from __future__ import annotations

import numpy as np
import pytest

from bench.judging.moments import Moments, too_few
from bench.system.errors import WorkError


def test_batches_give_numpys_covariance_even_far_from_zero() -> None:
    features = np.random.default_rng(0).normal(size=(257, 5)) + 1e6
    moments = Moments(5)
    for batch in np.array_split(features, [1, 2, 100, 100, 250]):  # one of them empty
        moments.update(batch)
    assert moments.count == 257
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), rtol=1e-8, atol=1e-10)


def test_merged_halves_equal_the_whole() -> None:
    features = np.random.default_rng(0).normal(size=(60, 4))
    whole = Moments(4).update(features)
    halves = Moments(4).update(features[:13]).merge(Moments(4)).merge(Moments(4).update(features[13:]))
    assert halves.count == 60
    np.testing.assert_allclose(halves.mean, whole.mean, atol=1e-14)
    np.testing.assert_allclose(halves.covariance, whole.covariance, rtol=1e-12, atol=1e-14)


def test_the_whole_without_a_part_is_the_rest() -> None:
    features = np.random.default_rng(0).normal(size=(60, 4)) + 100
    features[:20] += 5
    rest = Moments(4).update(features).without(Moments(4).update(features[:20]))
    assert rest.count == 40
    np.testing.assert_allclose(rest.mean, features[20:].mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(rest.covariance, np.cov(features[20:], rowvar=False), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused_by_name_and_not_taken_in(bad: float) -> None:
    moments = Moments(3, "generated samples").update(np.zeros((4, 3)))
    features = np.zeros((5, 3))
    features[2, 1] = bad
    with pytest.raises(WorkError, match=r"generated samples: NaN or infinite.* first sample 6"):
        moments.update(features)
    assert moments.count == 4


def test_widths_must_agree() -> None:
    with pytest.raises(ValueError, match="width 3.* of 4"):
        Moments(3).merge(Moments(4))
    with pytest.raises(ValueError, match="shape"):
        Moments(3).update(np.zeros((2, 4)))


@pytest.mark.parametrize(("count", "few"), [(64, True), (65, False), (2, True)])
def test_too_few(count: int, few: bool) -> None:
    assert too_few(count, 64) is few
