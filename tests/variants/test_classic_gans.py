"""Losses and networks of gan, dcgan, lsgan, wgan, sngan, pacgan and r3gan against their papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ring import learn_ring
from torch import Tensor, nn

from variants.base import Batch
from variants.noise import Noise

Fixture = Callable[..., Any]
SHAPES = pytest.mark.parametrize("points", [False, True], ids=["images", "points"])
NAMES = ["gan", "dcgan", "lsgan", "wgan", "sngan", "pacgan", "r3gan"]


def log_sigmoid(scores: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-scores)))


def squared_slope(variant: Any, samples: Tensor) -> Tensor:
    points = samples.clone().requires_grad_()
    (slope,) = torch.autograd.grad(variant.discriminator(points).sum(), points, create_graph=True)
    return (slope**2).flatten(1).sum(1).mean()


def losses(name: str, variant: Any, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """L_D and L_G of a paper, from the scores of real and of fake samples."""
    d = variant.discriminator
    of_real, of_fake = d(real), d(fake)
    match name:
        case "gan" | "dcgan" | "pacgan":
            discriminator = -log_sigmoid(of_real).mean() - torch.log(1 - 1 / (1 + torch.exp(-of_fake))).mean()
            return discriminator, -log_sigmoid(of_fake).mean()
        case "lsgan":
            discriminator = 0.5 * ((of_real - 1) ** 2).mean() + 0.5 * (of_fake**2).mean()
            return discriminator, 0.5 * ((of_fake - 1) ** 2).mean()
        case "wgan":
            return of_fake.mean() - of_real.mean(), -of_fake.mean()
        case "sngan":
            zero = torch.zeros_like(of_real)
            discriminator = torch.maximum(zero, 1 - of_real).mean() + torch.maximum(zero, 1 + of_fake).mean()
            return discriminator, -of_fake.mean()
        case _:
            penalty = squared_slope(variant, real) + squared_slope(variant, fake.detach())
            relativistic = -log_sigmoid(of_real - of_fake).mean()
            return relativistic + 0.05 / 2 * penalty, -log_sigmoid(of_fake - of_real).mean()


def as_scored(name: str, samples: Tensor) -> Tensor:
    """Samples as D sees them: pairs of neighbours for PacGAN."""
    return torch.cat((samples[0::2], samples[1::2]), dim=1) if name == "pacgan" else samples


@SHAPES
@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients_are_those_of_the_paper(
    name: str,
    points: bool,
    build: Fixture,
    samples: Fixture,
    double_noise: Callable[[], Noise],
    gradient: Fixture,
) -> None:
    layers = {"layers": "points"} if points else {}
    variant = build(name, shaken=True, dtype=torch.float64, **layers)
    real = samples(variant, 4)
    for number, network in ((0, "discriminator"), (-1, "generator")):
        fake = variant.generator(variant.draw_latent(double_noise(), 4))
        fake = fake if network == "generator" else fake.detach()
        expected = losses(name, variant, as_scored(name, real), as_scored(name, fake))[number]
        parameters = variant.trainable_parameters(network)
        wanted = gradient(expected, parameters)
        variant.zero_grad()
        scalars = variant.phases()[number].accumulate_gradients(Batch(real, double_noise()))
        assert scalars[f"loss_{network[0]}"].item() == pytest.approx(expected.item(), rel=1e-9)
        scale = max(each.abs().max().item() for each in wanted)
        for parameter, each in zip(parameters, wanted, strict=True):
            found = torch.zeros_like(each) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(found, each, rtol=1e-7, atol=1e-9 * scale)


def test_the_saturating_loss_is_the_value_that_the_discriminator_maximises(
    build: Fixture, samples: Fixture, double_noise: Callable[[], Noise]
) -> None:
    variant = build("gan", dtype=torch.float64, generator_loss="saturating")
    scalars = variant.phases()[-1].accumulate_gradients(Batch(samples(variant, 4), double_noise()))
    scores = variant.discriminator(variant.generator(variant.draw_latent(double_noise(), 4)))
    assert scalars["loss_g"].item() == pytest.approx(torch.log(1 - torch.sigmoid(scores)).mean().item())


def test_label_smoothing_is_one_sided(
    build: Fixture, samples: Fixture, double_noise: Callable[[], Noise]
) -> None:
    variant = build("gan", dtype=torch.float64, label_smoothing=0.1)
    real = samples(variant, 4)
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
    fake = variant.generator(variant.draw_latent(double_noise(), 4))
    p_real, p_fake = (torch.sigmoid(variant.discriminator(each)) for each in (real, fake))
    expected = -(0.9 * p_real.log() + 0.1 * (1 - p_real).log()).mean() - (1 - p_fake).log().mean()
    assert scalars["loss_d"].item() == pytest.approx(expected.item())


def test_wgan_clips_after_each_update_and_trains_its_critic_longer_at_first(build: Fixture) -> None:
    variant = build("wgan", layers="points", early_critic_steps=100)
    steps = {step: variant.discriminator_steps(step) for step in (1, 25, 26, 499, 500, 501)}
    assert steps == {1: 100, 25: 100, 26: 5, 499: 5, 500: 100, 501: 5}
    assert variant.real_batches(30) == 25 * 100 + 5 * 5
    assert build("wgan", critic_steps=7).discriminator_steps(1) == 7
    variant.phases()[0].after()
    assert max(each.abs().max().item() for each in variant.discriminator.parameters()) <= 0.01
    assert max(each.abs().max().item() for each in variant.generator.parameters()) > 0.01
    assert {network.optimizer for network in variant.networks().values()} == {"rmsprop"}


def test_batch_norm_is_where_dcgan_has_it(build: Fixture) -> None:
    variant = build("dcgan", size=64, channels=3)
    for network, norms in ((variant.generator, 4), (variant.discriminator, 3)):
        found = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
        assert len(found) == norms
    first, *_ = (each for each in variant.discriminator.trunk.layers if not isinstance(each, nn.Conv2d))
    assert isinstance(first, nn.LeakyReLU)
    assert variant.hyperparameters.prior == "uniform"


def test_each_layer_of_sngans_discriminator_has_spectral_norm_alone(
    build: Fixture,
) -> None:
    variant = build("sngan")
    weights = [name for name, _ in variant.discriminator.named_parameters() if "bias" not in name]
    assert weights
    assert all(name.endswith("parametrizations.weight.original") for name in weights)
    assert not any("parametrizations" in name for name, _ in variant.generator.named_parameters())


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (128, 3)])
def test_r3gan_has_no_norm_and_its_blocks_add_nothing_at_first(
    size: int, channels: int, build: Fixture, samples: Fixture
) -> None:
    variant = build("r3gan", size=size, channels=channels)
    assert not any(isinstance(each, nn.BatchNorm2d | nn.GroupNorm) for each in variant.modules())
    layers = variant.discriminator.trunk.layers
    maps = layers[0](samples(variant))
    assert torch.equal(layers[1](maps), maps)
    deviation = variant.discriminator.trunk(samples(variant)).std().item()
    assert 0.05 < deviation < 5


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_makes_colour_images_of_128_pixels(name: str, build: Fixture, samples: Fixture) -> None:
    variant = build(name, size=128, channels=3)
    packs = as_scored(name, samples(variant, 2))
    assert variant.discriminator(packs).shape == (len(packs),)
    assert variant.generator(variant.draw_latent(Noise(0, 1, torch.device("cpu")), 2)).shape == (
        2,
        3,
        128,
        128,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "distance", "covered"),
    [
        ("gan", 800, 0.2, 1),
        ("lsgan", 800, 0.16, 4),
        ("pacgan", 800, 0.25, 0),
        ("r3gan", 600, 0.18, 1),
        ("wgan", 500, 0.24, 1),
    ],
)
def test_samples_spread_over_all_modes_of_the_ring(
    name: str, steps: int, distance: float, covered: int
) -> None:
    """In so few steps the modes are still wide; DCGAN has the networks of GAN for points."""
    ring = learn_ring(name, steps)
    assert ring.smallest_share > 0.04
    assert ring.mean_distance < distance
    assert ring.modes_covered >= covered
