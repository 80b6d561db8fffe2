"""Checks without training fail on variants that break them, and say why."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from bench.checking import contract
from bench.checking.report import CheckFailed
from bench.system.errors import WorkError
from variants.base import Batch, Network, Phase, Scalars
from variants.dcgan import Dcgan
from variants.families.two_player import Discriminator, Loss, TwoPlayer
from variants.latent_codes import LatentCode
from variants.noise import Noise
from variants.presets import Preset
from variants.scalars import TrainingScalar


class Conditional(Dcgan):
    """DCGAN with classes."""

    conditional = True

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        classes = self.one_hot(batch.labels), latent[:, -self.classes :]
        score_real, score_fake = self.discriminator(real, classes[0]), self.discriminator(fake, classes[1])
        return softplus(-score_real).mean() + softplus(score_fake).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return softplus(-self.discriminator(fake, latent[:, -self.classes :])).mean()


def around(change: Any) -> Any:
    """A generator whose samples are changed."""

    class Around(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, latent: Tensor) -> Tensor:
            return change(self.inner(latent))

    return Around


class WithGenerator(Dcgan):
    """A variant that puts `around` its generator."""

    around: Any = None

    def build_generator(self) -> nn.Module:
        return type(self).around(super().build_generator())


class NoTitle(Dcgan):
    """No title."""

    title = " "


class SelectsNeither(Dcgan):
    """Better values are not named."""

    scalars = (TrainingScalar("loss_d", "L_D", selects=True),)


class DeclaredTwice(Dcgan):
    """One name twice."""

    scalars = (TrainingScalar("loss_d", "L_D"), TrainingScalar("loss_d", "L_D"))


class WrongPreset(Dcgan):
    """A misspelt knob."""

    presets = {"quick": Preset({"latentdim": 3})}


class Forgotten(Dcgan):
    """A network that networks() does not name."""

    def build_further_networks(self) -> None:
        self.encoder = nn.Linear(2, 2)


class Twice(Dcgan):
    """Weights in two networks."""

    trained_with_generator = ("generator_too",)

    def build_further_networks(self) -> None:
        self.generator_too = self.generator


class NoRate(Dcgan):
    """A rate without a knob."""

    def networks(self) -> dict[str, Network]:
        return super().networks() | {"generator": Network(self.generator, "lr_x")}


class SeedsItself(Dcgan):
    """Weights from a seed of their own."""

    def initialise_weights(self) -> None:
        torch.manual_seed(0)
        super().initialise_weights()
        for parameter in self.parameters():
            nn.init.normal_(parameter)


class Counts(Dcgan):
    """Weights that depend on how many were built."""

    built = itertools.count()

    def initialise_weights(self) -> None:
        super().initialise_weights()
        self.discriminator.score.bias.data.fill_(next(self.built))


class GlobalLatents(Dcgan):
    """Latents from torch's random state."""

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        return torch.randn(count, self.latent_width)


class OnePurpose(Dcgan):
    """One stream for all purposes."""

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        return super().draw_latent(noise, count)


class DoubleLatents(Dcgan):
    """Latents of another type."""

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        return super().draw_latent(noise, count, purpose).double()


class Flat(WithGenerator):
    """Samples of another shape."""

    around = around(lambda samples: samples[:, :1])


class Positive(WithGenerator):
    """Samples from 0 to 1."""

    around = around(torch.sigmoid)


class Bytes(WithGenerator):
    """Samples from -128 to 127."""

    around = around(lambda samples: 128 * samples.sign())


class FlatCodes(Dcgan):
    """Codes without a width."""

    def encode(self, samples: Tensor) -> Tensor:
        return self.discriminator(samples)


class ShortDecoder(Dcgan):
    """Samples of another shape than what was encoded."""

    def encode(self, samples: Tensor) -> Tensor:
        return samples

    def decode(self, code: Tensor) -> Tensor:
        return code[:, :1]


class Spills(Dcgan):
    """A backward pass without inputs."""

    def backward(self, name: str, loss: Loss, networks: tuple[str, ...]) -> Scalars:
        loss.backward()
        return {name: loss.detach()}


class Detached(Dcgan):
    """A generator whose loss does not depend on it."""

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return 0 * fake.sum()


class Unused(Dcgan):
    """A layer that nothing uses."""

    def build_discriminator(self) -> Discriminator:
        discriminator = super().build_discriminator()
        discriminator.spare = nn.Linear(2, 2)
        return discriminator


class UnknownNetwork(Dcgan):
    """A phase of a network that is none."""

    def phases(self) -> tuple[Phase, ...]:
        return (*super().phases(), Phase(("critic",), lambda batch: {}))


class WithScalar(Dcgan):
    """A variant that logs `given`."""

    given: Any = None

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return super().generator_loss(fake, latent, batch), type(self).given(fake)

    def backward(self, name: str, loss: Loss, networks: tuple[str, ...]) -> Scalars:
        total, further = loss if isinstance(loss, tuple) else (loss, {})
        return super().backward(name, total, networks) | further


class Graph(WithScalar):
    """A scalar with a graph."""

    given = lambda fake: {"spread": fake.std()}  # noqa: E731


class Vector(WithScalar):
    """A scalar that is a vector."""

    given = lambda fake: {"spread": fake.detach().std(0)}  # noqa: E731


class Number(WithScalar):
    """A scalar that is a number of Python."""

    given = lambda fake: {"spread": 1.0}  # noqa: E731


class NotFinite(WithScalar):
    """A scalar that is not a number."""

    given = lambda fake: {"spread": torch.tensor(float("nan"))}  # noqa: E731


class Clash(WithScalar):
    """A scalar with the name of a learning rate."""

    given = lambda fake: {"lr_g": torch.tensor(1.0)}  # noqa: E731


class HiddenTensor(WithGenerator):
    """A drawn tensor that is neither parameter nor buffer."""

    @staticmethod
    def around(inner: nn.Module) -> nn.Module:
        shift = 0.1 * torch.randn(2)
        return around(lambda samples: samples + shift)(inner)


class IgnoresClass(Conditional):
    """A generator that sees z only."""

    @staticmethod
    def around(inner: nn.Module) -> nn.Module:
        return inner

    def build_generator(self) -> nn.Module:
        generator = super().build_generator()
        generator.register_forward_pre_hook(
            lambda module, inputs: (inputs[0] * (torch.arange(inputs[0].shape[1]) < 6),)
        )
        return generator


class SoftClasses(Conditional):
    """Classes that are not one-hot."""

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        return 0.9 * super().draw_latent(noise, count, purpose)


class NotOneHot(Dcgan):
    """A categorical code whose columns are normal."""

    codes: tuple[LatentCode, ...] = (LatentCode("colour", "categorical", 0, 3),)

    def latent_codes(self) -> tuple[LatentCode, ...]:
        return self.codes


class OutOfRange(NotOneHot):
    """A continuous code from U[-1, 1]."""

    codes = (LatentCode("angle", "continuous", 0, low=0, high=1),)


class NotThere(NotOneHot):
    """A column behind the last one."""

    codes = (LatentCode("angle", "continuous", 6),)


class OverlappingCodes(NotOneHot):
    """Two codes in one column."""

    codes = tuple(LatentCode(name, "continuous", 0, low=-9, high=9) for name in ("angle", "tilt"))


class SameCode(NotOneHot):
    """Two codes of one name."""

    codes = tuple(LatentCode("angle", "continuous", column, low=-9, high=9) for column in (0, 1))


class CodeInWords(NotOneHot):
    """A name with a space."""

    codes = (LatentCode("The angle", "continuous", 0, low=-9, high=9),)


BROKEN: list[tuple[type[TwoPlayer], Any, str]] = [
    (NoTitle, contract.description, "title is empty"),
    (SelectsNeither, contract.description, "loss_d selects checkpoints: say which values are better"),
    (DeclaredTwice, contract.description, "loss_d is declared twice"),
    (
        WrongPreset,
        contract.description,
        "dcgan: preset 'quick' sets 'latentdim', which is no hyperparameter",
    ),
    (Forgotten, contract.parameters, r"encoder\.weight is in no network of networks\(\)"),
    (Twice, contract.parameters, r"generator\.\S+ is in two networks: generator and generator_too"),
    (NoRate, contract.parameters, "the rate 'lr_x' of generator is no hyperparameter"),
    (SeedsItself, contract.initial_weights, "the same for another random state"),
    (Counts, contract.initial_weights, r"discriminator\.score\.bias differs between two builds"),
    (GlobalLatents, contract.latents, "two draws with the same seed differ"),
    (OnePurpose, contract.latents, "the same for another purpose"),
    (DoubleLatents, contract.latents, r"draw_latent gave float64 \(8, 6\)"),
    (Flat, contract.samples, r"gave float32 \(8, 1\), needed is float32 \(8, 2\)"),
    (Positive, contract.samples, r"samples are from 0\.\d+ to 0\.\d+, data from -1 to 1"),
    (Bytes, contract.samples, "data from -1 to 1: end with tanh"),
    (FlatCodes, contract.codes, r"encode gave float32 \(8,\) for 8 samples"),
    (ShortDecoder, contract.codes, r"decode gave float32 \(8, 1\) for samples of float32 \(8, 2\)"),
    (
        Spills,
        contract.gradients,
        r"phase 2 of step 1 updates generator and leaves a gradient on discriminator\.",
    ),
    (Detached, contract.gradients, "phase 2 of step 1 updates generator and leaves no gradient on it"),
    (Unused, contract.gradients, r"no phase leaves a gradient on discriminator\.spare\.bias"),
    (UnknownNetwork, contract.gradients, "phase 3 of step 1 updates 'critic', which is no network"),
    (Graph, contract.scalars, "spread of phase 2 of step 1 has a graph"),
    (Vector, contract.scalars, r"spread of phase 2 of step 1 is float32 \(2,\), needed is float32 \(\)"),
    (Number, contract.scalars, "spread of phase 2 of step 1 is a float"),
    (NotFinite, contract.scalars, "spread of phase 2 of step 1 is nan"),
    (Clash, contract.scalars, "scalar lr_g, a name that the record has for itself"),
    (HiddenTensor, contract.state, "samples differ after loading"),
    (IgnoresClass, contract.conditional, "class 0 and of class 1 are the same"),
    (SoftClasses, contract.conditional, "the last 3 columns of latents are no one-hot classes"),
    (NotOneHot, contract.latent_codes, "the columns of code colour are not one-hot draws of all categories"),
    (OutOfRange, contract.latent_codes, "code angle is no column with values 0 to 1"),
    (
        NotThere,
        contract.latent_codes,
        "code angle has the columns 6 to 6 of latents of 6, which",
    ),
    (OverlappingCodes, contract.latent_codes, "code tilt has the columns 0 to 0 .* or have another meaning"),
    (SameCode, contract.latent_codes, "two codes are named angle"),
    (CodeInWords, contract.latent_codes, "code 'The angle': write lower-case words joined by hyphens"),
]


@pytest.mark.parametrize(
    ("kind", "check", "reason"), BROKEN, ids=[f"{each[1].__name__} {each[0].__name__}" for each in BROKEN]
)
def test_a_check_fails_on_a_variant_that_breaks_it(
    subject: Any, kind: type[TwoPlayer], check: Any, reason: str
) -> None:
    with pytest.raises((CheckFailed, WorkError), match=reason):
        check(subject(kind))


def test_every_check_has_a_variant_that_breaks_it() -> None:
    assert {check for _, check, _ in BROKEN} == set(contract.CHECKS)
