"""ALI's and BiGAN's losses against algorithm 1 of the paper, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from ring import learn_ring
from torch import Tensor

from variants.base import Batch

Fixture = Callable[..., Any]
CASES = [
    ({}, {"encoder": "gaussian"}),
    ({}, {"encoder": "deterministic", "prior": "uniform"}),
    ({"layers": "points"}, {"encoder": "gaussian", "prior": "uniform"}),
    ({"layers": "points"}, {"encoder": "deterministic"}),
]


@pytest.fixture(params=CASES, ids=lambda case: " ".join([*case[0].values(), *case[1].values()]))
def variant(build: Fixture, request: pytest.FixtureRequest) -> Any:
    layers, knobs = request.param
    return build("ali", shaken=True, dtype=torch.float64, **layers, **knobs)


def draw(variant: Any, noise: Any) -> Tensor:
    return variant.draw_latent(noise, 3).double()


def code_of(variant: Any, real: Tensor, noise: Any) -> Tensor:
    """Return mu + sigma eps, or mu of a deterministic encoder; in the range of a uniform prior."""
    features = variant.encoder.trunk(real)
    code = variant.encoder.mean(features)
    if variant.hyperparameters.encoder == "gaussian":
        sigma = variant.encoder.log_variance(features).exp().sqrt()
        code = code + sigma * noise.normal("code", (3, 6))
    return code.tanh() if variant.hyperparameters.prior == "uniform" else code


def probabilities(variant: Any, real: Tensor, noise: Any) -> tuple[Tensor, Tensor]:
    """Return D of the pairs (x, E(x)) and (G(z), z), as algorithm 1 has it."""
    latent = draw(variant, noise)
    rho_q = torch.sigmoid(variant.discriminator(real, code_of(variant, real, noise)))
    rho_p = torch.sigmoid(variant.discriminator(variant.generator(latent), latent))
    return rho_q, rho_p


def test_the_discriminator_tells_encoded_samples_from_generated_ones(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real = samples(variant)
    rho_q, rho_p = probabilities(variant, real, double_noise())
    loss = -rho_q.log().mean() - (1 - rho_p).log().mean()
    assert_phase_follows(variant, 0, loss, Batch(real, double_noise()))


def test_generator_and_encoder_minimise_the_loss_with_the_labels_exchanged(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real = samples(variant)
    rho_q, rho_p = probabilities(variant, real, double_noise())
    loss = -(1 - rho_q).log().mean() - rho_p.log().mean()
    assert variant.phases()[1].updates == ("generator", "encoder")
    assert_phase_follows(variant, 1, loss, Batch(real, double_noise()))


def test_codes_are_latents_of_the_generator(variant: Any, samples: Fixture) -> None:
    variant.eval()
    real = samples(variant)
    code = variant.encode(real)
    assert code.shape == (3, 6)
    assert torch.equal(variant.reconstruct(real), variant.generator(code))
    if variant.hyperparameters.prior == "uniform":
        assert code.abs().max() < 1
    assert variant.networks()["encoder"].averaged


def test_ali_spreads_over_all_modes_of_the_ring_and_encodes_its_points() -> None:
    """After 1,500 steps the samples of all modes are still wide: few lie within three deviations."""
    ring = learn_ring("ali", steps=1500)
    assert ring.smallest_share > 0.05
    assert ring.mean_distance < 0.3
    assert ring.mean_error < 0.3
