"""Samplers collapsed on purpose: what is left of a pool whose kinds are known."""

import numpy as np
import pytest
import torch
from collapsed_samplers import SHARES_DISTINCT, SHARES_KEPT, collapses, sampler_of

SAMPLES = 200
KINDS = 10


@pytest.fixture(scope="module")
def pool():
    """Points that tell their own place and so can be found again."""
    return torch.arange(20_000, dtype=torch.float32)[:, None]


@pytest.fixture(scope="module")
def kinds():
    return np.random.default_rng(0).integers(0, KINDS, 20_000)


@pytest.fixture(scope="module")
def made(pool, kinds):
    return list(collapses(pool, kinds, np.arange(KINDS), SAMPLES, seed=0))


def drawn(sampler, count=SAMPLES):
    return torch.cat(list(sampler(count)))[:, 0].long().numpy()


@pytest.mark.parametrize("count", [1, 249, 250, 251, 600, 601])
def test_a_pool_is_handed_out_in_its_order_and_again_from_the_start(count):
    batches = list(sampler_of(torch.arange(300.0)[:, None])(count))
    given = torch.cat(batches)[:, 0].tolist()
    assert given == [place % 300 for place in range(count)]


def test_every_degree_of_both_kinds_comes_once(made):
    assert [(each.kind, each.degree) for each in made] == [
        *(("kinds kept", share) for share in SHARES_KEPT),
        *(("samples repeated", share) for share in SHARES_DISTINCT),
    ]


def test_so_many_kinds_are_left_as_the_degree_says(made, kinds):
    for each in made:
        if each.kind == "kinds kept":
            assert len(np.unique(kinds[drawn(each.sampler)])) == round(each.degree * KINDS), each.degree


def test_of_the_kinds_that_are_left_no_sample_comes_twice(made):
    for each in made:
        if each.kind == "kinds kept":
            assert len(np.unique(drawn(each.sampler))) == SAMPLES, each.degree


def test_every_sample_of_a_kind_that_is_left_is_in_the_pool(made, kinds):
    half = next(each for each in made if each.degree == 0.5 and each.kind == "kinds kept")
    everything = drawn(half.sampler, 20_000)
    left = np.unique(kinds[everything])
    np.testing.assert_array_equal(np.unique(everything), np.flatnonzero(np.isin(kinds, left)))


def test_so_many_samples_differ_as_the_degree_says_and_one_at_least(made):
    for each in made:
        if each.kind == "samples repeated":
            expected = max(1, round(each.degree * SAMPLES))
            comes = np.bincount(drawn(each.sampler))
            assert np.count_nonzero(comes) == expected, each.degree
            assert np.ptp(comes[comes > 0]) <= 1, each.degree  # each as often as another


def test_half_of_the_classes_or_tenfold_copies_count_as_collapsed_and_degrees_between_do_not_count(made):
    clear = {"kinds kept": 0.5, "samples repeated": 0.1}
    assert [each.truth for each in made] == [
        True if each.degree <= clear[each.kind] else None for each in made
    ]
    assert {each.truth for each in made} == {True, None}


def test_only_known_kinds_are_kept(pool, kinds):
    known = np.array([2, 5, 7, 8])
    for each in collapses(pool, kinds, known, SAMPLES, seed=0):
        if each.kind == "kinds kept":
            shown = np.unique(kinds[drawn(each.sampler)])
            assert set(shown) <= set(known)
            assert len(shown) == max(1, round(each.degree * 4)), each.degree


def test_kinds_too_few_to_give_every_sample_once_are_passed_over(pool, kinds):
    """A tenth of 2,000 samples is about 200: one kind alone cannot give 700, nor can three; four can."""
    degrees = [
        each.degree
        for each in collapses(pool[:2000], kinds[:2000], np.arange(KINDS), 700, seed=0)
        if each.kind == "kinds kept"
    ]
    assert degrees == [share for share in SHARES_KEPT if share >= 0.4]


def test_the_seed_decides_which_kinds_are_kept_and_nothing_else(pool, kinds, made):
    def kept(seed):
        return [
            tuple(np.unique(kinds[drawn(each.sampler)]))
            for each in collapses(pool, kinds, np.arange(KINDS), SAMPLES, seed)
            if each.kind == "kinds kept"
        ]

    assert kept(1) == kept(1)
    assert kept(1) != kept(2)
    again = list(collapses(pool, kinds, np.arange(KINDS), SAMPLES, seed=9))
    for first, second in zip(made, again, strict=True):
        if first.kind == "samples repeated":
            np.testing.assert_array_equal(drawn(first.sampler), drawn(second.sampler))
