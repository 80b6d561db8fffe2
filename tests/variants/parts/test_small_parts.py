"""Packing, weight clipping, feature matching and label smoothing against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from variants.modules.losses import cross_entropy, hinge, non_saturating
from variants.parts.feature_matching import feature_distance
from variants.parts.packing import pack
from variants.parts.weight_clipping import clip_weights


@pytest.mark.parametrize("shape", [(6, 3, 4, 4), (6, 2)], ids=["images", "points"])
def test_a_pack_has_the_channels_of_its_samples_in_order(shape: tuple[int, ...]) -> None:
    samples = torch.randn(shape)
    packs = pack(samples, 3)
    assert packs.shape == (2, 3 * shape[1], *shape[2:])
    for number, found in enumerate(packs):
        assert torch.equal(found, torch.cat(list(samples[3 * number : 3 * number + 3])))
    assert pack(samples, 1) is samples


def test_samples_that_are_no_whole_packs_are_refused() -> None:
    with pytest.raises(ValueError, match="5 samples are no whole packs of 2.*multiple of packing"):
        pack(torch.randn(5, 2), 2)


def test_weights_are_clipped_to_the_bound_and_frozen_ones_are_not() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).requires_grad_(False))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    clip_weights(network, 0.1)
    after = list(network.parameters())
    for old, new in zip(before[:2], after[:2], strict=True):
        assert torch.equal(new, old.clamp(-0.1, 0.1))
    assert all(torch.equal(old, new) for old, new in zip(before[2:], after[2:], strict=True))


def test_the_feature_distance_is_between_means() -> None:
    real, fake = np.random.default_rng(0).normal(size=(2, 5, 3))
    expected = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    found = feature_distance(torch.from_numpy(real), torch.from_numpy(fake))
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_cross_entropy_is_that_of_probabilities(smoothing: float) -> None:
    real, fake = np.random.default_rng(1).normal(size=(2, 7))
    p_real, p_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    target = 1 - smoothing
    expected = -(target * np.log(p_real) + smoothing * np.log(1 - p_real)).mean() - np.log(1 - p_fake).mean()
    scores = torch.from_numpy(real), torch.from_numpy(fake)
    assert cross_entropy(*scores, smoothing).item() == pytest.approx(expected)
    assert non_saturating(scores[1]).item() == pytest.approx(-np.log(p_fake).mean())
    assert hinge(*scores).item() == pytest.approx(
        np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    )
