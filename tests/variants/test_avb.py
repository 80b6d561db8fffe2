"""AVB's losses against algorithms 1 and 2 of its paper, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from ring import learn_ring
from torch import Tensor
from torch.distributions import Normal

from variants.base import Batch

Fixture = Callable[..., Any]
KNOBS = {"decoder_deviation": 0.4, "noise_functions": 3}


@pytest.fixture(params=[{}, {"layers": "points"}], ids=["images", "points"])
def layers(request: pytest.FixtureRequest) -> dict[str, str]:
    return request.param


@pytest.fixture(params=[False, True], ids=["prior", "adaptive contrast"])
def variant(build: Fixture, layers: dict[str, str], request: pytest.FixtureRequest) -> Any:
    knobs = KNOBS | {"adaptive_contrast": request.param}
    return build("avb", shaken=True, dtype=torch.float64, **layers, **knobs)


def values_of(variant: Any, noise: Tensor) -> Tensor:
    """Return v_i(eps_i), (B, functions, width), function by function."""
    first, second, third = variant.encoder.layers
    found = []
    for number in range(3):
        hidden = torch.nn.functional.elu(noise[:, number] @ first[number])
        hidden = torch.nn.functional.elu(hidden @ second[number])
        found.append(hidden @ third[number])
    return torch.stack(found, dim=1)


def encoded(variant: Any, real: Tensor, noise: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return a draw of q(z|x), its mean and its variance."""
    features = variant.encoder.trunk(real)
    centre = variant.encoder.centre(features)
    weights = torch.nn.functional.elu(variant.encoder.weights(features).reshape(3, 3, 6) - 5) + 1
    drawn = values_of(variant, noise.normal("code", (3, 3, 16)))
    fixed = values_of(variant, variant.encoder.draws)
    mean = centre + (weights * fixed.mean(0)).sum(1)
    variance = (weights**2 * fixed.var(0)).sum(1)
    return centre + (weights * drawn).sum(1), mean, variance


def test_the_adversary_tells_codes_from_the_prior_or_normalised_codes_from_a_normal(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real, noise = samples(variant), double_noise()
    prior = noise.normal("latent", (3, 6))
    code, mean, variance = encoded(variant, real, noise)
    if variant.hyperparameters.adaptive_contrast:
        code = (code - mean) / (variance + 1e-4).sqrt()
    of_code = torch.sigmoid(variant.discriminator(real, code.detach()))
    of_prior = torch.sigmoid(variant.discriminator(real, prior))
    loss = -of_code.log().mean() - (1 - of_prior).log().mean()
    assert_phase_follows(variant, 0, loss, Batch(real, double_noise()))


def test_encoder_and_generator_minimise_the_estimated_divergence_and_the_squared_error(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real = samples(variant)
    code, mean, variance = encoded(variant, real, double_noise())
    if variant.hyperparameters.adaptive_contrast:
        # log r(z|x) and log p(z) are those of Gaussians, without a gradient to the moments of r
        r = Normal(mean.detach(), (variance.detach() + 1e-4).sqrt())
        score = variant.discriminator(real, (code - r.mean) / r.stddev)
        divergence = (score + (r.log_prob(code) - Normal(0.0, 1.0).log_prob(code)).sum(1)).mean()
    else:
        divergence = variant.discriminator(real, code).mean()
    residual = (real - variant.generator(code)).flatten(1)
    loss = divergence + (residual**2).sum() / (2 * 0.4**2) / 3
    assert variant.phases()[1].updates == ("generator", "encoder")
    scalars = assert_phase_follows(variant, 1, loss, Batch(real, double_noise()), rtol=1e-7, atol=1e-9)
    assert scalars["kl_divergence"].item() == pytest.approx(divergence.item(), rel=1e-10)
    assert scalars["squared_error"].item() == pytest.approx((residual**2).mean().item(), rel=1e-10)


def test_the_code_of_a_sample_is_the_mean_of_the_codes_that_are_drawn(
    build: Fixture, samples: Fixture, double_noise: Fixture
) -> None:
    variant = build("avb", shaken=True, dtype=torch.float64, layers="points", **KNOBS)
    real = samples(variant)
    torch.testing.assert_close(variant.encode(real), encoded(variant, real, double_noise())[1])
    posterior = variant.encoder(real)
    noise = double_noise()
    drawn = torch.stack([variant.encoder.draw(posterior, noise, "code") for _ in range(400)])
    _, variance = variant.encoder.moments(posterior)
    errors = (drawn.mean(0) - variant.encode(real)).abs() / variance.sqrt()
    assert errors.max() < 0.5
    assert (drawn.var(0) / variance).median().item() == pytest.approx(1, abs=0.3)


def test_adaptive_contrast_needs_a_prior_with_a_density_everywhere(build: Fixture) -> None:
    with pytest.raises(ValueError, match="^adaptive_contrast needs prior 'normal'"):
        build("avb", adaptive_contrast=True, prior="uniform")


def test_avb_reconstructs_the_points_of_the_ring() -> None:
    """Its samples lie on the ring and between modes: q(z|x) of all x together is not the prior."""
    ring = learn_ring("avb", steps=1000)
    assert ring.mean_error < 0.1
    assert ring.smallest_share > 0.01
