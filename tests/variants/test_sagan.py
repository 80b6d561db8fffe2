"""SAGAN's hinge losses, spectral norms and self-attention, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from torch import Tensor, nn

from variants.base import Batch
from variants.modules.self_attention import SelfAttention

Fixture = Callable[..., Any]


@pytest.fixture
def variant(build: Fixture) -> Any:
    return build("sagan", shaken=True, dtype=torch.float64)


def score(variant: Any, images: Tensor) -> Tensor:
    network = variant.discriminator
    return network.score(network.trunk(images))[:, 0]


def layers(network: nn.Module) -> list[Any]:
    return [
        each for each in network.modules() if isinstance(each, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]


def test_the_discriminator_minimises_the_hinge_loss(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real, fake = samples(variant), variant.generator(double_noise().normal("latent", (3, 6))).detach()
    zero = torch.zeros((), dtype=torch.float64)
    loss = torch.maximum(zero, 1 - score(variant, real)).mean()
    loss = loss + torch.maximum(zero, 1 + score(variant, fake)).mean()
    assert_phase_follows(variant, 0, loss, Batch(real, double_noise()))


def test_the_generator_minimises_minus_the_score(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    loss = -score(variant, variant.generator(double_noise().normal("latent", (3, 6)))).mean()
    assert_phase_follows(variant, 1, loss, Batch(samples(variant), double_noise()))


def largest_singular_values(network: nn.Module) -> list[float]:
    found = []
    for layer in layers(network):
        weight = layer.weight.detach()
        matrix = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
        found.append(float(torch.linalg.svdvals(matrix.flatten(1))[0]))
    return found


def test_every_layer_of_both_networks_has_spectral_norm(build: Fixture) -> None:
    variant = build("sagan")
    for network in (variant.generator, variant.discriminator):
        assert largest_singular_values(network) == pytest.approx([1.0] * len(layers(network)), rel=0.1)


def test_the_norms_follow_the_weights_after_each_step_of_the_network(build: Fixture) -> None:
    variant = build("sagan")
    for phase, network in zip(variant.phases(), (variant.discriminator, variant.generator), strict=True):
        with torch.no_grad():
            for layer in layers(network):
                layer.parametrizations.weight.original.mul_(3.0)
        before = network.state_dict()
        vectors = {name: value.clone() for name, value in before.items() if name.endswith(("left", "right"))}
        with torch.no_grad():
            phase.after()
        assert any(not torch.equal(network.state_dict()[name], value) for name, value in vectors.items())
        assert largest_singular_values(network) == pytest.approx([1.0] * len(layers(network)), rel=0.1)


def test_spectral_norm_of_the_generator_can_be_switched_off(build: Fixture) -> None:
    variant = build("sagan", spectral_norm_g=False)
    assert not any("parametrizations" in name for name, _ in variant.generator.named_parameters())
    assert any("parametrizations" in name for name, _ in variant.discriminator.named_parameters())


def test_both_networks_have_self_attention(variant: Any) -> None:
    for network in (variant.generator, variant.discriminator):
        assert sum(isinstance(layer, SelfAttention) for layer in network.modules()) == 1
