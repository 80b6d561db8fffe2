"""The calibrated energy-based GAN's losses against algorithm 1 of its paper, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from ring import learn_ring
from torch.distributions import Normal

from variants.base import Batch
from variants.cegan import density_gradient

Fixture = Callable[..., Any]
POINTS = {"layers": "points"}


@pytest.fixture(params=[{}, POINTS], ids=["images", "points"])
def layers(request: pytest.FixtureRequest) -> dict[str, str]:
    return request.param


def built(build: Fixture, layers: dict[str, str], **knobs: Any) -> Any:
    return build("cegan", shaken=True, dtype=torch.float64, entropy_weight=0.4, **layers, **knobs)


def test_the_discriminator_lowers_the_energy_of_data_and_raises_that_of_fakes(
    build: Fixture, samples: Fixture, double_noise: Fixture, layers: dict[str, str]
) -> None:
    variant = built(build, layers, energy_penalty=0.2)
    real, latent = samples(variant), double_noise().uniform("latent", (3, 6), -1.0, 1.0)
    of_real = variant.discriminator(real)
    of_fake = variant.discriminator(variant.generator(latent).detach())
    gap = (of_fake.sum() - of_real.sum()) / 3
    loss = -gap + 0.2 * ((of_real**2).sum() + (of_fake**2).sum()) / 3
    scalars = assert_phase_follows(variant, 0, loss, Batch(real, double_noise()))
    assert scalars["energy_gap"].item() == pytest.approx(gap.item(), rel=1e-10)


def test_generator_and_q_minimise_the_energy_less_a_bound_of_the_entropy(
    build: Fixture, samples: Fixture, double_noise: Fixture, layers: dict[str, str]
) -> None:
    variant = built(build, layers)
    latent = double_noise().uniform("latent", (3, 6), -1.0, 1.0)
    fake = variant.generator(latent)
    features = variant.encoder.trunk(fake)
    q = Normal(variant.encoder.mean(features), variant.encoder.log_variance(features).exp().sqrt())
    # without the constant of the Gaussian
    likelihood = (q.log_prob(latent) + math.log(2 * math.pi) / 2).sum() / 3
    loss = variant.discriminator(fake).mean() - 0.4 * likelihood
    assert variant.phases()[1].updates == ("generator", "encoder")
    scalars = assert_phase_follows(variant, 1, loss, Batch(samples(variant), double_noise()))
    assert scalars["entropy_term"].item() == pytest.approx(-likelihood.item(), rel=1e-10)


def test_with_nearest_neighbours_samples_move_from_the_mean_of_the_nearest_others(
    build: Fixture, samples: Fixture, double_noise: Fixture, gradient: Fixture, layers: dict[str, str]
) -> None:
    variant = built(build, layers, entropy="nearest-neighbour", entropy_neighbours=2)
    assert variant.phases()[1].updates == ("generator",)
    assert list(variant.networks()) == ["generator", "discriminator"]
    fake = variant.generator(double_noise().uniform("latent", (5, 6), -1.0, 1.0))
    flat, loss = fake.flatten(1), variant.discriminator(fake).mean()
    for one in range(5):
        distances = [(flat[one] - flat[other]).norm().item() for other in range(5)]
        nearest = sorted(range(5), key=distances.__getitem__)[1:3]
        shift = (flat[nearest[0]] + flat[nearest[1]]) / 2 - flat[one]
        variance = flat[[one, *nearest]].var(dim=0, correction=0).mean()
        loss = loss + 0.4 * ((shift / variance).detach() * flat[one]).sum() / 5
    parameters = variant.trainable_parameters("generator")
    expected = gradient(loss, parameters)
    real = samples(variant, 5)
    scalars = variant.phases()[1].accumulate_gradients(Batch(real, double_noise()))
    assert scalars["loss_g"].item() == pytest.approx(loss.item(), rel=1e-8)
    for parameter, wanted in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-6, atol=1e-9)
    assert variant.encode(real) is None
    assert "neighbours" in variant.indivisible()
    assert built(build, layers).indivisible() == ""


def test_the_estimated_gradient_of_a_gaussians_density_points_to_its_centre() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn((500, 2), generator=generator, dtype=torch.float64)
    found = density_gradient(samples, 20)
    far = samples.norm(dim=1) > 1
    cosines = torch.cosine_similarity(found[far], -samples[far], dim=1)
    assert cosines.median() > 0.9


def test_cegan_spreads_over_all_modes_of_the_ring_and_q_finds_latents() -> None:
    """After 1,200 steps the samples of all modes are still wide: few lie within three deviations."""
    ring = learn_ring("cegan", steps=1200)
    assert ring.smallest_share > 0.05
    assert ring.mean_distance < 0.3
    assert ring.mean_error < 0.15


def test_cegan_with_nearest_neighbours_covers_all_modes_of_the_ring() -> None:
    knobs = {"lr_d": 4e-3, "entropy_weight": 1e-3, "energy_penalty": 0.1}
    ring = learn_ring("cegan", steps=1500, entropy="nearest-neighbour", **knobs)
    assert ring.modes_covered >= 7
    assert ring.share_near > 0.15
