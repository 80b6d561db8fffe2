import numpy as np

from bench.datasets import fixed_draws


def test_normal_draws_have_the_moments_and_the_tails_of_the_normal_distribution():
    from scipy.stats import kstest

    draws = fixed_draws.normal(0, (100_000,))
    assert kstest(draws, "norm").pvalue > 0.01
    assert abs(draws.mean()) < 4 / np.sqrt(draws.size)
    assert abs(draws.var() - 1) < 4 * np.sqrt(2 / draws.size)
    assert 3.5 < abs(draws).max() < 6


def test_integers_are_uniformly_distributed():
    counts = np.bincount(fixed_draws.integers(0, 10, (100, 1000)).ravel(), minlength=10)
    assert counts.sum() == 100_000
    # chi-squared with 9 degrees of freedom: above 27.9 once in a thousand
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.9


def test_a_permutation_has_every_number_once_in_another_order():
    order = fixed_draws.permutation(0, 1000)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(order, np.arange(1000))


def test_draws_are_pinned():
    np.testing.assert_array_equal(fixed_draws.integers(1, 1000, (2, 2)), [[127, 86], [885, 778]])
    np.testing.assert_array_equal(fixed_draws.permutation(1, 5), [2, 4, 0, 3, 1])
    np.testing.assert_allclose(
        fixed_draws.normal(1, (2,)), [0.02963675666589562, 1.6493663344832388], rtol=1e-12
    )
