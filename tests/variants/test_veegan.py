"""VEEGAN's losses against algorithm 1 of the paper, in float64."""

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


@pytest.fixture(params=[{}, {"layers": "points"}], ids=["images", "points"])
def variant(build: Fixture, request: pytest.FixtureRequest) -> Any:
    return build("veegan", shaken=True, dtype=torch.float64, reconstruction_weight=0.7, **request.param)


def reconstructed(variant: Any, samples: Tensor) -> Tensor:
    """Return F(x)."""
    return variant.encoder.mean(variant.encoder.trunk(samples))


def test_the_discriminator_scores_generated_pairs_high_and_encoded_ones_low(
    variant: Any, samples: Fixture, double_noise: Fixture
) -> None:
    real, latent = samples(variant), double_noise().normal("latent", (3, 6))
    of_fake = torch.sigmoid(variant.discriminator(variant.generator(latent), latent))
    of_real = torch.sigmoid(variant.discriminator(real, reconstructed(variant, real)))
    loss = -of_fake.log().mean() - (1 - of_real).log().mean()  # line 7
    assert_phase_follows(variant, 0, loss, Batch(real, double_noise()))


def test_the_generator_minimises_scores_and_errors_and_the_reconstructor_errors_alone(
    variant: Any, samples: Fixture, double_noise: Fixture, gradient: Fixture
) -> None:
    latent = double_noise().normal("latent", (3, 6))
    fake = variant.generator(latent)
    guess = reconstructed(variant, fake)
    error = sum(((latent[i] - guess[i]) ** 2).sum() for i in range(3)) / 3
    score = variant.discriminator(fake, latent).sum() / 3
    phase = variant.phases()[1]
    assert phase.updates == ("generator", "encoder")
    expected = {
        "generator": gradient(score + 0.7 * error, variant.trainable_parameters("generator")),  # line 11
        "encoder": gradient(0.7 * error, variant.trainable_parameters("encoder")),  # line 9
    }
    scalars = phase.accumulate_gradients(Batch(samples(variant), double_noise()))
    assert scalars["loss_g"].item() == pytest.approx((score + 0.7 * error).item(), rel=1e-10)
    assert scalars["latent_error"].item() == pytest.approx(error.item(), rel=1e-10)
    for name, wanted in expected.items():
        for parameter, one in zip(variant.trainable_parameters(name), wanted, strict=True):
            torch.testing.assert_close(parameter.grad, one, rtol=1e-8, atol=1e-10)


def test_veegan_spreads_over_the_ring_and_reconstructs_its_points() -> None:
    """After 1,200 steps few samples lie within three deviations of a mode."""
    ring = learn_ring("veegan", steps=1200)
    assert ring.smallest_share > 0.02
    assert ring.mean_distance < 0.3
    assert ring.mean_error < 0.15
