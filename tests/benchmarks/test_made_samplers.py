"""Samplers of known truth are collapsed, memorised or well by construction."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_samplers import MECHANISMS, Pool, projected, seeded
from sample_changes import turned
from verdict_cases import DATA, sampler_of

COUNT, KINDS, SIDE = 200, 4, 8
KINDS_OF_DATA = sorted(set(DATA.values()))


def images(count, seed, channels):
    """Blobs at random places; each kind has a brightness of its own."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 60, (count, channels, SIDE, SIDE))
    return (noise + np.arange(count)[:, None, None, None] % KINDS * 50).astype(np.uint8)


def pool_of(kind):
    channels = {"points": 0, "photographs": 3}.get(kind, 1)
    if channels:
        samples, training = images(2400, 0, channels), images(400, 1, channels)
    else:
        random = np.random.default_rng(0)
        centres = np.array([(x, y) for x in (-0.8, 0.8) for y in (-0.8, 0.8)])
        points = (centres[np.arange(2800) % KINDS] + random.normal(0, 0.01, (2800, 2))).astype(np.float32)
        samples, training = points[:2400], points[2400:]
    return Pool(samples, np.arange(2400) % KINDS, training, COUNT)


@pytest.fixture(scope="module")
def pools():
    return {kind: pool_of(kind) for kind in KINDS_OF_DATA}


CASES = [
    (kind, each.name, degree)
    for each in MECHANISMS.values()
    for kind in sorted(each.kinds_of_data)
    for degree in each.degrees
]


def made(pools, kind, name, degree, seed=0):
    return MECHANISMS[name].make(pools[kind], degree, seeded(name, degree, seed))


@pytest.mark.parametrize(("kind", "name", "degree"), CASES)
def test_every_mechanism_makes_as_many_samples_as_were_asked_for_in_range(pools, kind, name, degree):
    samples = made(pools, kind, name, degree)
    assert samples is not None
    assert samples.shape == (COUNT, *pools[kind].samples.shape[1:])
    assert samples.dtype == torch.float32
    assert samples.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize(("kind", "name", "degree"), [case for case in CASES if case[0] == "digits"])
def test_the_seed_decides_everything_and_differs_for_every_case(pools, kind, name, degree):
    assert torch.equal(made(pools, kind, name, degree), made(pools, kind, name, degree))
    assert not torch.equal(made(pools, kind, name, degree), made(pools, kind, name, degree, seed=1))


def test_truths_are_known_and_every_kind_of_data_has_all_of_them():
    for kind in KINDS_OF_DATA:
        own = [each for each in MECHANISMS.values() if kind in each.kinds_of_data]
        truths = {truth for each in own for truth in each.degrees.values()}
        assert truths == {"collapsed", "memorised", "well", None}


def distinct(samples):
    return len(torch.unique(samples.flatten(1), dim=0))


def kinds_of(samples):
    """Return the kinds by brightness: 30 in the mean, and 50 more for each."""
    return (((samples.mean((1, 2, 3)) + 1) * 127.5 - 29.5) / 50).round().long().numpy()


@pytest.mark.parametrize(("share", "kinds"), [(0.1, 1), (0.3, 1), (0.5, 2), (0.7, 2), (0.9, 3)])
def test_kinds_hold_at_most_the_share_of_the_data(pools, share, kinds):
    samples = made(pools, "digits", "kinds missing", share)
    assert len(np.unique(kinds_of(samples))) == kinds
    assert distinct(samples) == COUNT


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_one_kind_has_the_share_that_was_asked_for(pools, share):
    assert np.bincount(kinds_of(made(pools, "digits", "one kind prevails", share))).max() == share * COUNT


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_rare_kinds_have_the_share_that_was_asked_for(pools, share):
    counts = np.sort(np.bincount(kinds_of(made(pools, "digits", "rare kinds", share)), minlength=KINDS))
    assert counts[:2].sum() == round(share * COUNT)
    assert counts[2:].sum() == COUNT - round(share * COUNT)


def test_a_kind_too_small_to_prevail_gives_no_samples():
    few = Pool(images(80, 0, 1), np.arange(80) % KINDS, images(40, 1, 1), 60)
    assert MECHANISMS["one kind prevails"].make(few, 0.8, seeded("", 0, 0)) is None
    assert MECHANISMS["kinds missing"].make(few, 0.3, seeded("", 0, 0)) is None


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_so_many_samples_are_distinct(pools, share):
    samples = made(pools, "photographs", "samples repeated", share)
    assert distinct(samples) == round(share * COUNT)


def test_few_images_have_every_kind_before_one_comes_twice(pools):
    samples = made(pools, "digits", "few images, turned and shifted", 10)
    counts = np.bincount(kinds_of(samples), minlength=KINDS)
    assert sorted(counts) == [2 * COUNT // 10] * 2 + [3 * COUNT // 10] * 2


@pytest.mark.parametrize(("shrinkage", "left"), [(0.7, 0.09), (0.9, 0.01)])
@pytest.mark.parametrize("name", ["drawn to the kind's mean", "drawn to one sample of each kind"])
def test_samples_that_are_drawn_together_keep_so_much_of_the_variance_inside_kinds(
    pools, name, shrinkage, left
):
    samples = made(pools, "digits", name, shrinkage)
    before = torch.from_numpy(pools["digits"].samples[::KINDS]).float().div(127.5).var(dim=0).mean()
    whole = [samples[kinds_of(samples) == kind] for kind in range(KINDS)]
    inside = np.mean([float(own.var(dim=0).mean() / before) for own in whole])
    assert inside == pytest.approx(left, rel=0.2)


@pytest.mark.parametrize("components", [1, 2, 4])
def test_low_rank_samples_lie_on_a_plane(pools, components):
    samples = made(pools, "digits", "low rank", components).flatten(1)
    assert torch.linalg.matrix_rank(samples - samples.mean(dim=0), rtol=1e-3) == components


def test_a_reconstruction_keeps_the_share_of_the_variance_that_was_asked_for(pools):
    every = replace(pools["digits"], count=len(pools["digits"].samples))
    kept = projected(every, 0.95, seeded("", 0, 0)).flatten(1).var(dim=0).sum()
    whole = every.at(np.arange(every.count)).flatten(1).var(dim=0).sum()
    assert float(kept / whole) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("share", [0.5, 1])
@pytest.mark.parametrize("kind", ["points", "digits"])
def test_copies_are_training_samples_and_the_rest_is_not(pools, kind, share):
    samples = made(pools, kind, "copies of training samples", share).flatten(1).double()
    training = torch.from_numpy(pools[kind].training).double().flatten(1)
    training = training if kind == "points" else training / 127.5 - 1
    copied = (torch.cdist(samples, training).min(dim=1).values < 1e-6).numpy()
    assert copied.sum() == share * COUNT
    assert distinct(samples) == COUNT


def test_a_turn_by_nothing_changes_nothing(pools):
    some = pools["photographs"].at(np.arange(5))
    torch.testing.assert_close(turned(some, 0, 0, np.random.default_rng(0)), some)


@pytest.mark.parametrize("count", [1, 250, 251, 600])
def test_a_sampler_hands_out_the_samples_in_their_order(count):
    batches = list(sampler_of(torch.arange(600.0)[:, None])(count))
    assert torch.cat(batches)[:, 0].tolist() == list(range(count))
