"""Scores of two-player GANs with parts switched on, against plain arithmetic on the networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from bench.training.step import ComputeOptions, TrainingStep
from variants.base import Batch
from variants.families.cross_entropy import CrossEntropy, CrossEntropyHyperparameters
from variants.families.two_player import DiscriminatorNorm, Loss
from variants.noise import Noise
from variants.parts.augmentation import augment
from variants.parts.spectral_norm import add_spectral_norm

CPU = torch.device("cpu")
IMAGES, POINTS = (1, 28, 28), (2,)
shapes = pytest.mark.parametrize("shape", [IMAGES, POINTS], ids=["images", "points"])


class Hyperparameters(CrossEntropyHyperparameters, DiscriminatorNorm):
    """All parts, and the norm of D."""


class Gan(CrossEntropy):
    name, title, source = "gan-of-parts", "a GAN", "these tests"
    Hyperparameters = Hyperparameters


class Conditional(Gan):
    conditional = True

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        assert batch.labels is not None
        of_real, of_fake = self.scores(
            real, fake, batch, self.one_hot(batch.labels), latent[:, -self.classes :]
        )
        return softplus(-of_real).mean() + softplus(of_fake).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return softplus(-self.fake_scores(fake, batch, latent[:, -self.classes :])).mean()


def build(shape: tuple[int, ...], kind: type[Gan] = Gan, classes: int = 0, **knobs: Any) -> Any:
    torch.manual_seed(0)
    return kind(kind.Hyperparameters(**{"filters": 4, "latent_dim": 6} | knobs), shape, classes).train()


def samples(shape: tuple[int, ...], count: int = 4) -> Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(1)) * 2 - 1


def noise() -> Noise:
    return Noise(3, 1, CPU)


def fakes(variant: Any, draws: Noise, count: int = 4) -> Tensor:
    return variant.generator(variant.draw_latent(draws, count)).detach()


def phase(variant: Any, shape: tuple[int, ...], number: int = 0) -> dict[str, Tensor]:
    return variant.phases()[number].accumulate_gradients(Batch(samples(shape), noise()))


def penalty_at(score: Callable[[Tensor], Tensor], points: Tensor, target: float) -> Tensor:
    """The mean of (|gradient| - target)^2, one sample at a time."""
    terms = []
    for point in points:
        one = point[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(one).sum(), one, create_graph=True)
        terms.append(((slope**2).sum().sqrt() - target) ** 2)
    return torch.stack(terms).mean()


def cross_entropies(variant: Any, real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-variant.discriminator(real)).mean() + softplus(variant.discriminator(fake)).mean()


def assert_gradients(variant: Any, expected: Tensor, network: str = "discriminator") -> None:
    parameters = variant.trainable_parameters(network)
    wanted = torch.autograd.grad(expected, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, wanted, strict=True):
        if gradient is None:
            assert parameter.grad is None or not parameter.grad.any()
        else:
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


@shapes
@pytest.mark.parametrize(
    "knobs",
    [{"r1_gamma": 3.0}, {"r2_gamma": 3.0}, {"r1_gamma": 3.0, "r2_gamma": 5.0}],
    ids=["R1", "R2", "both"],
)
def test_r1_and_r2_are_half_gamma_times_the_squared_gradient_at_real_and_fake_samples(
    shape: tuple[int, ...], knobs: dict[str, float]
) -> None:
    variant = build(shape, **knobs)
    scalars = phase(variant, shape)
    real, fake = samples(shape), fakes(variant, noise())
    expected = cross_entropies(variant, real, fake)
    for name, points in (("r1", real), ("r2", fake)):
        gamma = knobs.get(f"{name}_gamma")
        assert (name in scalars) == (gamma is not None)
        if gamma:
            penalty = penalty_at(variant.discriminator, points, 0.0)
            assert scalars[name].item() == pytest.approx(penalty.item(), rel=1e-4)
            expected = expected + gamma / 2 * penalty
    assert scalars["loss_d"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert_gradients(variant, expected)


@shapes
@pytest.mark.parametrize("at", ["between", "around"])
def test_the_gradient_penalty_is_taken_between_or_around_the_samples(shape: tuple[int, ...], at: str) -> None:
    variant = build(shape, penalty_weight=7.0, penalty_at=at, penalty_radius=0.3)
    scalars = phase(variant, shape)
    draws = noise()
    real, fake = samples(shape), fakes(variant, draws)
    if at == "between":
        weight = draws.uniform("interpolation", (4,) + (1,) * len(shape))
        points = (1 - weight) * real + weight * fake
    else:
        points = real + 0.3 * draws.normal("around", (4, *shape))
    penalty = penalty_at(variant.discriminator, points, 1.0)
    expected = cross_entropies(variant, real, fake) + 7.0 * penalty
    assert scalars["gradient_penalty"].item() == pytest.approx(penalty.item(), rel=1e-4)
    assert_gradients(variant, expected)


def test_penalties_take_the_companions_of_a_conditional_discriminator_along() -> None:
    variant = build(POINTS, Conditional, classes=3, penalty_weight=7.0, r1_gamma=2.0)
    real, labels = samples(POINTS), torch.tensor([0, 1, 2, 1])
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, noise(), labels=labels))
    draws = noise()
    latent = variant.draw_latent(draws, 4)
    fake = variant.generator(latent).detach()
    weight = draws.uniform("interpolation", (4, 1))
    joined = torch.cat((real, variant.one_hot(labels)), 1), torch.cat((fake, latent[:, 6:]), 1)
    pairs = torch.lerp(*joined, weight)

    def slope(pair: Tensor) -> Tensor:
        points = pair[:, :2].clone().requires_grad_()
        score = variant.discriminator.trunk(torch.cat((points, pair[:, 2:]), 1))
        return torch.autograd.grad(variant.discriminator.score(score).sum(), points)[0]

    assert scalars["gradient_penalty"].item() == pytest.approx(
        ((slope(pairs).norm(dim=1) - 1) ** 2).mean().item(), rel=1e-4
    )
    assert scalars["r1"].item() == pytest.approx((slope(joined[0]) ** 2).sum(1).mean().item(), rel=1e-4)


@shapes
def test_a_packed_discriminator_scores_samples_joined_in_their_order(
    shape: tuple[int, ...],
) -> None:
    variant = build(shape, packing=2)
    scalars = phase(variant, shape)

    def packs(batch: Tensor) -> Tensor:
        return torch.stack([torch.cat((batch[0], batch[1])), torch.cat((batch[2], batch[3]))])

    expected = cross_entropies(variant, packs(samples(shape)), packs(fakes(variant, noise())))
    assert scalars["loss_d"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert_gradients(variant, expected)
    variant.zero_grad()
    phase(variant, shape, 1)
    fake = variant.generator(variant.draw_latent(noise(), 4))
    assert_gradients(variant, softplus(-variant.discriminator(packs(fake))).mean(), "generator")


def test_real_and_fake_images_are_augmented_alike_and_the_generator_learns_through_it() -> None:
    variant = build(IMAGES, augment_colour=True, augment_translation=True, augment_cutout=True)
    knobs, draws = variant.hyperparameters, noise()
    scalars = phase(variant, IMAGES)
    fake = fakes(variant, draws)
    seen = augment(samples(IMAGES), knobs, draws), augment(fake, knobs, draws)
    expected = cross_entropies(variant, *seen)
    assert scalars["loss_d"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert_gradients(variant, expected)
    variant.zero_grad()
    phase(variant, IMAGES, 1)
    draws = noise()
    fake = variant.generator(variant.draw_latent(draws, 4))
    loss = softplus(-variant.discriminator(augment(fake, knobs, draws))).mean()
    assert_gradients(variant, loss, "generator")


@shapes
def test_feature_matching_replaces_the_loss_of_the_generator(shape: tuple[int, ...]) -> None:
    variant = build(shape, feature_matching=True)
    scalars = phase(variant, shape, 1)
    fake = variant.generator(variant.draw_latent(noise(), 4))
    trunk = variant.discriminator.trunk
    loss = ((trunk(samples(shape)).mean(0) - trunk(fake).mean(0)) ** 2).sum()
    assert scalars["loss_g"].item() == pytest.approx(loss.item(), rel=1e-4)
    assert_gradients(variant, loss, "generator")
    assert "mean" in variant.indivisible()


@shapes
@pytest.mark.parametrize("knobs", [{"minibatch_kernels": 3}, {"minibatch_deviation": True}], ids=str)
def test_statistics_are_those_of_real_and_of_fake_samples_apart(
    shape: tuple[int, ...], knobs: dict[str, Any]
) -> None:
    variant = build(shape, **knobs)
    scalars = phase(variant, shape)
    expected = cross_entropies(variant, samples(shape), fakes(variant, noise()))
    assert scalars["loss_d"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert_gradients(variant, expected)
    assert "batch" in variant.indivisible()


def test_batch_norm_sees_real_and_fake_samples_apart() -> None:
    variant = build(IMAGES, discriminator_norm="batch")
    scalars = phase(variant, IMAGES)
    expected = cross_entropies(variant, samples(IMAGES), fakes(variant, noise()))
    assert scalars["loss_d"].item() == pytest.approx(expected.item(), rel=1e-5)


class Random:
    batch_size = 4

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        return samples(self.shape).chunk(micro_batches)[micro_batch]

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> None:
        return None


@shapes
def test_spectral_norms_follow_every_update_of_the_discriminator(shape: tuple[int, ...]) -> None:
    variant = build(shape, spectral_norm=True, lr_d=1e-2)
    step = TrainingStep(variant, Random(shape), variant.hyperparameters, 60, 0, CPU, ComputeOptions())
    for number in range(1, 61):
        step.run(number)
    for name, weight in variant.discriminator.named_parameters():
        if name.endswith("original"):
            layer = variant.discriminator.get_submodule(name.partition(".parametrizations")[0])
            largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0].item()
            assert largest == pytest.approx(1, abs=0.1)
            assert torch.linalg.svdvals(weight.detach().flatten(1))[0].item() > 0


def test_parts_that_contradict_each_other_or_the_data_are_refused() -> None:
    with pytest.raises(ValueError, match="penalties of D's gradient need a discriminator without batch norm"):
        build(IMAGES, r1_gamma=1.0, discriminator_norm="batch")
    with pytest.raises(ValueError, match="DiffAugment needs images"):
        build(POINTS, augment_colour=True)
    # spectral norm takes the place of batch norm
    build(IMAGES, r1_gamma=1.0, discriminator_norm="batch", spectral_norm=True)


def test_a_penalty_without_scores_of_the_family_is_an_error_that_says_so() -> None:
    class Direct(Gan):
        def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
            return self.discriminator(real).mean()

    with pytest.raises(RuntimeError, match="Direct: penalties need a loss of D that calls self.scores"):
        phase(build(POINTS, Direct, r1_gamma=1.0), POINTS)


@shapes
def test_no_part_leaves_a_graph_behind(shape: tuple[int, ...]) -> None:
    variant = build(shape, r1_gamma=1.0, penalty_weight=1.0)
    phase(variant, shape)
    assert variant._scored is None
    copy.deepcopy(variant)


def test_with_all_parts_off_the_networks_have_the_parameters_of_before() -> None:
    off, plain = build(IMAGES), build(IMAGES, r1_gamma=1.0)
    assert list(off.state_dict()) == list(plain.state_dict())
    add_spectral_norm(plain.discriminator)
    assert len(plain.state_dict()) > len(off.state_dict())
