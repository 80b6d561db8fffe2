"""Samplers that no threshold was chosen on are collapsed or healthy by construction."""

import numpy as np
import pytest
import torch
from score_unseen import share
from unseen_samplers import (
    ANCHORS,
    DOMINANT,
    collapsed,
    healthy,
    latents_collapsed,
    neighbours,
    parts_of_kinds,
    rotated,
    shrunk_to_means,
    with_dominant_kind,
)

SAMPLES, KINDS = 200, 4


@pytest.fixture(scope="module")
def pool():
    """Small images; each kind has a mean brightness of its own."""
    noise = torch.rand(4000, 1, 6, 6, generator=torch.Generator().manual_seed(0)) * 0.4
    return noise + torch.arange(4000).remainder(KINDS)[:, None, None, None] * 0.4 - 1


@pytest.fixture(scope="module")
def kinds():
    return np.arange(4000) % KINDS


def kinds_of(samples):
    """Return the kinds with the nearest mean brightness."""
    return ((samples.mean((1, 2, 3)) + 0.8) / 0.4).round().long().numpy()


def test_every_collapse_gives_as_many_samples_as_were_asked_for_in_range(pool, kinds):
    made = list(collapsed(pool, kinds, SAMPLES, seed=0))
    assert len({(each.kind, each.degree) for each in made}) == len(made) == 11
    for each in made:
        assert each.truth is True
        assert each.samples.shape == (SAMPLES, 1, 6, 6), each.kind
        assert each.samples.abs().max() <= 1, each.kind


def test_healthy_samplers_are_labelled_healthy_and_have_all_classes(pool):
    made = list(healthy(pool, SAMPLES, seed=0))
    assert [each.kind for each in made][:2] == ["real", "less contrast"]
    for each in made:
        assert each.truth is False
        assert each.samples.shape == (SAMPLES, 1, 6, 6)
    assert set(kinds_of(made[0].samples)) == set(range(KINDS))


def test_points_are_changed_only_in_ways_that_points_have(pool):
    points = pool.flatten(1)[:, :2]
    assert [each.kind for each in healthy(points, SAMPLES, 0)] == ["real", "less contrast", "jittered"]


def test_the_seed_decides_everything(pool, kinds):
    def samples(seed):
        return torch.cat([each.samples for each in collapsed(pool, kinds, SAMPLES, seed)])

    assert torch.equal(samples(1), samples(1))
    assert not torch.equal(samples(1), samples(2))


@pytest.mark.parametrize("wanted", DOMINANT)
def test_one_kind_has_the_share_that_was_asked_for(pool, kinds, wanted):
    made = with_dominant_kind(pool, kinds, SAMPLES, wanted, np.random.default_rng(0))
    assert np.bincount(kinds_of(made)).max() == round(wanted * SAMPLES)


@pytest.mark.parametrize("shrinkage", [0.7, 0.9])
def test_a_shrinkage_by_p_leaves_1_minus_p_squared_of_the_variance(pool, kinds, shrinkage):
    made = shrunk_to_means(pool, kinds, len(pool), shrinkage)
    before, after = (each[::KINDS].var(0).mean() for each in (pool, made))
    assert (after / before).item() == pytest.approx((1 - shrinkage) ** 2, rel=1e-3)


@pytest.mark.parametrize("anchors", ANCHORS)
def test_neighbours_are_samples_of_the_pool_about_so_few(pool, anchors):
    flat = pool.flatten(1)
    made = neighbours(pool, SAMPLES, anchors, np.random.default_rng(0)).flatten(1)
    assert len(made) == SAMPLES
    assert set(map(tuple, made.tolist())) <= set(map(tuple, flat.tolist()))
    for group in made.split(SAMPLES // anchors):
        # the anchor comes first, and about as many of the pool are as near to it as its group has samples
        reach = (group - group[0]).norm(dim=1).max()
        assert ((flat - group[0]).norm(dim=1) < reach - 0.01).sum() < len(group)


def test_a_part_of_each_kind_has_every_kind_and_lies_at_one_end(pool, kinds):
    made = parts_of_kinds(pool, kinds, 0.25)
    assert np.bincount(kinds_of(made)).tolist() == [250] * KINDS
    # a quarter from one end varies less than the whole
    assert made[:250].var(0).sum() < pool[::KINDS].var(0).sum()


def test_a_rotation_by_zero_degrees_changes_nothing(pool):
    torch.testing.assert_close(rotated(pool[:5], 0, np.random.default_rng(0)), pool[:5])


def test_collapsed_latents_vary_as_little_as_they_say():
    healthy = torch.rand(50, 16, generator=torch.Generator().manual_seed(0))
    spans = {
        (kind, much): latents.var(0) / healthy.var(0) for kind, much, latents in latents_collapsed(healthy)
    }
    shrunk, axes = "latents shrunk about one", "latents vary along so many axes"
    torch.testing.assert_close(spans[shrunk, 0.2], torch.full((16,), 0.04))
    assert [int((spans[axes, free] > 0).sum()) for free in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("right", "count", "told"),
    [(10, 11, "10 of 11: 0.91 (0.59 to 1.00)"), (0, 34, "0 of 34: 0.00 (0.00 to 0.10)"), (0, 0, "-")],
)
def test_a_share_has_its_exact_interval(right, count, told):
    assert share(right, count) == told
