"""ProGAN's losses at the side that its networks have, in float64, and its growth with training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from variants.base import Batch

Fixture = Callable[..., Any]
# of a training, at 28 px with two blocks that are there at 0.8 of it
AT = {"the least side": (0.0, 7), "a block fading in": (0.3, 14), "the whole side": (1.0, 28)}


@pytest.fixture
def variant(build: Fixture) -> Any:
    return build("progan", shaken=True, dtype=torch.float64, penalty_weight=7.0, drift=0.3)


def grown(variant: Any, progress: float) -> None:
    variant.progress = progress
    variant.begin_step()


def deviation_of_batch(maps: Tensor) -> Tensor:
    """Maps with one more, the mean over places and channels of the deviation over the batch."""
    values = [
        ((maps[:, c, i, j] - maps[:, c, i, j].mean()) ** 2).mean().sqrt()
        for c in range(maps.shape[1])
        for i in range(maps.shape[2])
        for j in range(maps.shape[3])
    ]
    mean = sum(values, torch.zeros((), dtype=maps.dtype)) / len(values)
    return torch.cat((maps, mean.expand(len(maps), 1, *maps.shape[2:])), dim=1)


@pytest.mark.parametrize("at", AT)
def test_the_critic_minimises_the_loss_of_wgan_gp_and_the_drift(
    variant: Any, samples: Fixture, double_noise: Fixture, gradient: Fixture, at: str
) -> None:
    progress, side = AT[at]
    grown(variant, progress)
    noise, critic = double_noise(), variant.discriminator
    fake = variant.generator(noise.normal("latent", (3, 6))).detach()
    real = samples(variant)
    real, fake = (torch.nn.functional.interpolate(each, size=side, mode="area") for each in (real, fake))
    if at == "a block fading in":
        # progress 0.3 of 0.8 is 1.5 of 4 spans: half of the weight is the new block's
        coarse = torch.nn.functional.interpolate(real, size=side // 2, mode="area")
        real = (real + torch.nn.functional.interpolate(coarse, size=side)) / 2
    weight = noise.uniform("interpolation", (3, 1, 1, 1))
    between = ((1 - weight) * real + weight * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
    of_real, of_fake = critic(real), critic(fake)
    loss = of_fake.mean() - of_real.mean() + 7.0 * penalty + 0.3 * (of_real**2).mean()
    expected = gradient(loss, variant.trainable_parameters("discriminator"))

    scalars = variant.phases()[0].accumulate_gradients(Batch(samples(variant), double_noise()))
    assert scalars["loss_d"].item() == pytest.approx(loss.item(), rel=1e-9)
    assert scalars["wasserstein"].item() == pytest.approx((of_real.mean() - of_fake.mean()).item(), rel=1e-9)
    scale = max(each.abs().max().item() for each in expected)
    for parameter, wanted in zip(variant.trainable_parameters("discriminator"), expected, strict=True):
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-9 * scale)


def test_the_generator_minimises_minus_the_score(
    variant: Any, samples: Fixture, double_noise: Fixture, gradient: Fixture
) -> None:
    grown(variant, 0.3)
    loss = -variant.discriminator(variant.generator(double_noise().normal("latent", (3, 6)))).mean()
    expected = gradient(loss, variant.trainable_parameters("generator"))
    scalars = variant.phases()[1].accumulate_gradients(Batch(samples(variant), double_noise()))
    assert scalars["loss_g"].item() == pytest.approx(loss.item(), rel=1e-10)
    for parameter, wanted in zip(variant.trainable_parameters("generator"), expected, strict=True):
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)


def test_the_critic_sees_the_deviation_of_the_batch_in_its_smallest_maps(
    build: Fixture, samples: Fixture
) -> None:
    variant = build("progan", shaken=True, dtype=torch.float64)
    seen: list[Tensor] = []
    variant.discriminator.last[0].register_forward_hook(
        lambda layer, given, made: seen.extend((*given, made))
    )
    variant.discriminator(samples(variant))
    torch.testing.assert_close(seen[1], deviation_of_batch(seen[0]), rtol=1e-6, atol=1e-6)
    assert variant.indivisible() == "minibatch standard deviation is that of a whole batch"
    without = build("progan", minibatch_deviation=False)
    assert without.indivisible() == ""
    assert without.discriminator.last[1].in_channels == seen[0].shape[1]


def test_weights_are_drawn_from_the_standard_normal_distribution(build: Fixture) -> None:
    variant = build("progan", filters=16)
    for layer in (variant.generator.first[1], variant.discriminator.blocks[0][0]):
        assert layer.weight.std().item() == pytest.approx(1.0, rel=0.05)
        assert layer.bias.abs().max() == 0


def test_both_networks_and_the_average_grow_with_training(build: Fixture, make_trainer: Fixture) -> None:
    variant = build("progan")
    found: list[int] = []
    variant.generator.register_forward_pre_hook(
        lambda module, given: found.append(module.growth.count) if module.training else None
    )
    trainer = make_trainer(variant, 9, ema_decay=0.5)
    trainer.train()
    # two passes of G in each of the steps, 0, 1/8, ..., 1 of the training; two blocks are there at 0.8
    assert found[::2] == [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert variant.reads_progress
    averaged = trainer.averages["generator"].module
    for network in (variant.generator, variant.discriminator, averaged):
        assert network.growth.blocks.item() == 2
        assert network.growth.fade.item() == 1.0


def test_the_blocks_are_there_when_the_knob_says(build: Fixture) -> None:
    variant = build("progan", grown_at=0.5)
    counts = []
    for progress in (0.0, 0.2, 0.4, 0.49, 0.5, 0.9):
        grown(variant, progress)
        counts.append((variant.generator.growth.count, round(variant.generator.growth.fade.item(), 6)))
    assert counts == [(0, 1.0), (1, 0.6), (2, 0.2), (2, 0.92), (2, 1.0), (2, 1.0)]


def test_points_cannot_grow(build: Fixture) -> None:
    with pytest.raises(ValueError, match="only images can grow"):
        build("progan", layers="points")
