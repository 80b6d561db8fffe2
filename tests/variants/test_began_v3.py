"""BEGAN v3: the divergence, and the code of its variational encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from variants.base import Batch

Fixture = Callable[..., Any]


def test_the_divergence_equals_the_kl_of_two_normal_distributions(
    build: Fixture, images: Fixture, double_noise: Fixture
) -> None:
    variant = build("began-v3", shaken=True, dtype=torch.float64, kl_over="sum")
    real = images().double()
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
    with torch.no_grad():
        mean, log_variance = variant.discriminator.encode(real)
    encoded = torch.distributions.Normal(mean, (log_variance / 2).exp())
    standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(encoded, standard).sum(1).mean()
    assert scalars["kl_real"].item() == pytest.approx(expected.item(), rel=1e-10)


def test_the_code_of_a_variational_encoder_is_its_mean(build: Fixture, images: Fixture) -> None:
    variant = build("began-v3", shaken=True).eval()
    with torch.no_grad():
        network = variant.discriminator
        assert torch.equal(variant.encode(images()), network.mean(network.trunk(images())))


def test_an_image_is_reconstructed_from_the_mean_of_its_code(build: Fixture, images: Fixture) -> None:
    variant = build("began-v3", shaken=True)
    network = variant.discriminator
    pictures = images()
    with torch.no_grad():
        expected = network.decoder(network.mean(network.trunk(pictures)))
        assert torch.equal(variant.reconstruct(pictures), expected)
