"""WGAN-GP's losses and gradients against algorithm 1 of its paper, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from variants.base import Batch

Fixture = Callable[..., Any]


@pytest.fixture(params=[{}, {"layers": "points"}], ids=["images", "points"])
def variant(build: Fixture, request: pytest.FixtureRequest) -> Any:
    knobs = {"critic_steps": 3, "penalty_weight": 7.0} | request.param
    return build("wgan-gp", shaken=True, dtype=torch.float64, **knobs)


@pytest.fixture
def real(samples: Fixture, variant: Any) -> Tensor:
    return samples(variant)


def penalty_of(critic: Callable[[Tensor], Tensor], between: Tensor) -> Tensor:
    """The mean of (|gradient of the score| - 1)^2, one image at a time."""
    squares = []
    for image in between:
        point = image[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(point)[0], point, create_graph=True)
        squares.append(((slope**2).sum().sqrt() - 1) ** 2)
    return sum(squares, torch.zeros((), dtype=between.dtype)) / len(between)


def critic_loss(variant: Any, real: Tensor, latent: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    fake = variant.generator(latent).detach()
    between = (1 - weight) * real + weight * fake
    penalty = penalty_of(variant.discriminator, between)
    distance = variant.discriminator(real).mean() - variant.discriminator(fake).mean()
    return 7.0 * penalty - distance, distance, penalty


def test_a_step_updates_the_critic_on_new_batches_and_then_the_generator_once(build: Fixture) -> None:
    phases = build("wgan-gp", critic_steps=3).phases()
    assert [phase.updates for phase in phases] == [("discriminator",)] * 3 + [("generator",)]
    assert [phase.new_real_batch for phase in phases] == [True, True, True, False]
    assert len(build("wgan-gp").phases()) == 6


def test_critic_loss_and_gradient_are_those_of_the_paper(
    variant: Any, real: Tensor, double_noise: Fixture, gradient: Fixture
) -> None:
    noise = double_noise()
    latent = noise.normal("latent", (3, 6))
    weight = noise.uniform("interpolation", (3, 1, 1, 1)).reshape(3, *(1 for _ in variant.sample_shape))
    loss, distance, penalty = critic_loss(variant, real, latent, weight)
    expected = gradient(loss, variant.trainable_parameters("discriminator"))

    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
    assert scalars["loss_d"].item() == pytest.approx(loss.item(), rel=1e-10)
    assert scalars["wasserstein"].item() == pytest.approx(distance.item(), rel=1e-10)
    assert scalars["gradient_penalty"].item() == pytest.approx(penalty.item(), rel=1e-10)
    scale = max(g.abs().max().item() for g in expected)
    for parameter, wanted in zip(variant.trainable_parameters("discriminator"), expected, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-8, atol=1e-10 * scale)


def test_generator_loss_and_gradient_are_those_of_the_paper(
    variant: Any, real: Tensor, double_noise: Fixture, gradient: Fixture
) -> None:
    loss = -variant.discriminator(variant.generator(double_noise().normal("latent", (3, 6)))).mean()
    expected = gradient(loss, variant.trainable_parameters("generator"))
    scalars = variant.phases()[-1].accumulate_gradients(Batch(real, double_noise()))
    assert scalars["loss_g"].item() == pytest.approx(loss.item(), rel=1e-10)
    scale = max(g.abs().max().item() for g in expected)
    for parameter, wanted in zip(variant.trainable_parameters("generator"), expected, strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-8, atol=1e-10 * scale)


def test_every_phase_draws_new_latents(variant: Any, real: Tensor, double_noise: Fixture) -> None:
    batch = Batch(real, double_noise())
    distances = [phase.accumulate_gradients(batch)["wasserstein"].item() for phase in variant.phases()[:3]]
    noise = double_noise()
    for distance in distances:
        latent = noise.normal("latent", (3, 6))
        _, expected, _ = critic_loss(variant, real, latent, torch.zeros((), dtype=torch.float64))
        assert distance == pytest.approx(expected.item(), rel=1e-10)
    assert len(set(distances)) == 3


def test_a_critic_with_slope_1_everywhere_has_no_gradient_penalty(
    variant: Any, real: Tensor, double_noise: Fixture
) -> None:
    """A linear critic along one unit direction is the case that the penalty asks for."""

    inputs = math.prod(variant.sample_shape)

    class Linear(torch.nn.Module):
        def __init__(self, slope: float) -> None:
            super().__init__()
            self.direction = torch.nn.Parameter(
                torch.full((inputs,), slope / inputs**0.5, dtype=torch.float64)
            )

        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1) @ self.direction

    for slope, penalty in ((1.0, 0.0), (3.0, 4.0), (0.5, 0.25)):
        variant.discriminator = Linear(slope)
        scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
        assert scalars["gradient_penalty"].item() == pytest.approx(penalty, abs=1e-12)
