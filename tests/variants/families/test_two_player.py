"""The two-player layer: what a subclass that states two losses gets, and what it may replace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.training.step import ComputeOptions, TrainingStep
from variants.base import Batch
from variants.families.two_player import Discriminator, Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.modules.autoencoders import Decoder, Trunk
from variants.noise import Noise

CPU = torch.device("cpu")
IMAGES, POINTS = (3, 32, 32), (2,)
shapes = pytest.mark.parametrize("shape", [IMAGES, POINTS], ids=["images", "points"])


class Linear(TwoPlayer):
    """Losses that are linear in the scores, with a scalar of its own."""

    name, title, source = "linear", "Linear losses", "nowhere"

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        assert not fake.requires_grad
        distance = self.discriminator(real).mean() - self.discriminator(fake).mean()
        return -distance, {"distance": distance}

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return -self.discriminator(fake).mean()


class Conditional(Linear):
    conditional = True


class WithMore(Linear):
    """Four networks, RMSprop, and two trainings of the discriminator a step."""

    trained_with_generator = ("encoder",)
    trained_with_discriminator = ("head",)
    optimizer = "rmsprop"
    cleaned = 0

    def build_further_networks(self) -> None:
        self.encoder = nn.Linear(2, 3)
        self.head = nn.Linear(2, 3)

    def discriminator_steps(self, step: int) -> int:
        return 3 if step == 2 else 2

    def after_discriminator(self) -> None:
        self.cleaned += 1

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        loss, scalars = super().discriminator_loss(real, fake, latent, batch)
        return loss + self.head(real).mean(), scalars

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return super().generator_loss(fake, latent, batch) + self.encoder(fake).mean()


def build(kind: type[TwoPlayer], shape: tuple[int, ...], classes: int = 0, **knobs: Any) -> Any:
    torch.manual_seed(0)
    return kind(TwoPlayerHyperparameters(**{"filters": 4, "latent_dim": 6} | knobs), shape, classes)


class Random:
    batch_size = 5

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        return torch.rand((5, *self.shape), generator=torch.Generator().manual_seed(index)) * 2 - 1

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> None:
        return None


class Unreduced(Linear):
    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return -self.discriminator(fake)


class UnreducedScalar(Linear):
    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return -self.discriminator(fake).mean(), {"score": self.discriminator(fake)[:1]}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Unreduced, r"loss_g has the shape \(5,\): a 0-d tensor"),
        (UnreducedScalar, r"score has the shape \(1,\)"),
    ],
)
def test_a_loss_or_a_scalar_that_is_no_single_number_is_refused_by_name(
    kind: type[TwoPlayer], message: str
) -> None:
    generator = build(kind, POINTS).phases()[-1]
    with pytest.raises(ValueError, match=message):
        generator.accumulate_gradients(Batch(Random(POINTS).get(0), Noise(3, 1, CPU)))


def test_an_optimizer_that_does_not_exist_is_refused_with_those_that_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Linear, "optimizer", "lion")
    with pytest.raises(ValueError, match="optimizer 'lion' of generator: allowed are adam, rmsprop, sgd"):
        build(Linear, POINTS)


@shapes
def test_each_loss_moves_the_networks_of_its_player_only(shape: tuple[int, ...]) -> None:
    variant = build(Linear, shape)
    real = Random(shape).get(0)
    noise = Noise(3, 1, CPU)
    latents = [noise.normal("latent", (5, 6)) for _ in range(2)]
    discriminator, generator = variant.phases()

    variant.eval()  # batch norm would make the samples depend on the mode
    fake = variant.generator(latents[0]).detach()
    expected = torch.autograd.grad(
        variant.discriminator(fake).mean() - variant.discriminator(real).mean(),
        list(variant.discriminator.parameters()),
    )
    batch = Batch(real, Noise(3, 1, CPU))
    scalars = discriminator.accumulate_gradients(batch)
    assert list(scalars) == ["loss_d", "distance"]
    assert scalars["loss_d"].item() == pytest.approx(-scalars["distance"].item())
    assert not any(value.requires_grad for value in scalars.values())
    for parameter, gradient in zip(variant.discriminator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert all(parameter.grad is None for parameter in variant.generator.parameters())

    variant.zero_grad(set_to_none=True)
    loss = -variant.discriminator(variant.generator(latents[1])).mean()
    expected = torch.autograd.grad(loss, list(variant.generator.parameters()))
    assert generator.accumulate_gradients(batch) == {"loss_g": pytest.approx(loss.item())}
    for parameter, gradient in zip(variant.generator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert all(parameter.grad is None for parameter in variant.discriminator.parameters())


def test_further_networks_train_with_their_player_at_its_rate() -> None:
    variant = build(WithMore, POINTS)
    networks = variant.networks()
    assert {name: network.learning_rate for name, network in networks.items()} == {
        "generator": "lr_g",
        "encoder": "lr_g",
        "discriminator": "lr_d",
        "head": "lr_d",
    }
    assert {network.optimizer for network in networks.values()} == {"rmsprop"}
    assert [name for name, network in networks.items() if network.averaged] == ["generator"]
    assert [phase.updates for phase in variant.phases()] == [
        ("discriminator", "head"),
        ("discriminator", "head"),
        ("generator", "encoder"),
    ]


def test_the_discriminator_takes_a_real_batch_a_training_and_is_followed_by_its_hook() -> None:
    variant = build(WithMore, POINTS)
    assert [variant.real_batches(steps) for steps in range(4)] == [0, 2, 5, 7]
    step = TrainingStep(variant, Random(POINTS), variant.hyperparameters, 3, 0, CPU, ComputeOptions())
    counts = []
    for number in (1, 2, 3):
        step.run(number)
        counts.append((step.real_batches, variant.cleaned))
    assert counts == [(2, 2), (5, 5), (7, 7)]


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_latents_follow_the_prior(prior: str) -> None:
    variant = build(Linear, POINTS, prior=prior)
    latent = variant.draw_latent(Noise(0, 1, CPU), 4000)
    assert latent.shape == (4000, 6)
    assert latent.mean().abs() < 0.03
    deviation = 1.0 if prior == "normal" else 3**-0.5
    assert latent.std().item() == pytest.approx(deviation, rel=0.03)
    assert (latent.abs().max() <= 1.0) == (prior == "uniform")


@shapes
def test_a_conditional_latent_ends_with_a_class_and_the_discriminator_sees_it(shape: tuple[int, ...]) -> None:
    variant = build(Conditional, shape, classes=3)
    latent = variant.draw_latent(Noise(0, 1, CPU), 300)
    assert latent.shape == (300, 6 + 3)
    labels = latent[:, 6:].argmax(1)
    assert torch.equal(latent[:, 6:], variant.one_hot(labels))
    assert (labels.bincount(minlength=3) > 60).all()
    # z does not depend on the classes
    z = build(Linear, shape).draw_latent(Noise(0, 1, CPU), 300)
    assert torch.equal(latent[:, :6], z)

    real = Random(shape).get(0)
    scores = [variant.discriminator(real, variant.one_hot(torch.full((5,), label))) for label in range(2)]
    assert scores[0].shape == (5,)
    assert not torch.equal(*scores)


def test_companions_are_further_channels_that_are_constant_over_an_image() -> None:
    seen: list[Tensor] = []

    class Look(nn.Module):
        def forward(self, samples: Tensor) -> Tensor:
            seen.append(samples)
            return samples.mean((2, 3))

    images, companions = torch.rand(4, 3, 8, 8), torch.rand(4, 2)
    discriminator = Discriminator(Trunk(Look(), 5))
    assert discriminator(images, companions).shape == (4,)
    assert torch.equal(seen[0][:, :3], images)
    for channel in range(2):
        plane = companions[:, channel, None, None].expand(4, 8, 8)
        assert torch.equal(seen[0][:, 3 + channel], plane)


def test_initial_weights_of_image_networks_have_the_deviation_that_a_variant_states() -> None:
    class Narrow(Linear):
        weight_deviation = 0.02

    for kind, factor in ((Narrow, 0.02), (Linear, None)):
        variant = build(kind, IMAGES, filters=16)
        convolutions = [each for each in variant.discriminator.modules() if isinstance(each, nn.Conv2d)]
        assert len(convolutions) > 1
        for layer in convolutions:
            # He et al. for a Leaky ReLU of slope 0.2
            fan_in = layer.in_channels * 16
            expected = factor or (2 / (1 + 0.2**2) / fan_in) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.15)
            assert layer.bias is None or not layer.bias.any()


def test_batch_norm_of_hidden_layers_is_an_attribute_of_the_class() -> None:
    class Swapped(Linear):
        generator_norm, discriminator_norm = False, True

    def norms(network: nn.Module) -> int:
        return sum(isinstance(each, nn.BatchNorm2d) for each in network.modules())

    plain, swapped = build(Linear, IMAGES), build(Swapped, IMAGES)
    assert norms(plain.generator) > 0
    assert norms(plain.discriminator) == 0
    assert norms(swapped.generator) == 0
    assert norms(swapped.discriminator) > 0


@shapes
def test_a_decoder_of_any_width_makes_samples(shape: tuple[int, ...]) -> None:
    decoder = build(Linear, shape).build_decoder(11)
    assert isinstance(decoder, Decoder)
    assert decoder(torch.rand(5, 11)).shape == (5, *shape)
