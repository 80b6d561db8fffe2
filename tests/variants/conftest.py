"""Small variants, samples and draws, and an independent implementation of the family's equations.

The equations are taken from the papers and use only the networks of a variant.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from gradients import gradient_of
from torch import Tensor, nn

from bench.checking.subject import Subject
from bench.runs.record import RecordWriter
from bench.training.learning_rate import LearningRateRule
from bench.training.plan import Plan
from bench.training.step import ComputeOptions
from bench.training.trainer import Trainer
from variants.base import Batch, Scalars, Variant
from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.noise import Noise
from variants.registry import all_variants

NETWORKS = ("generator", "discriminator")
CLASSES = 3  # of a conditional variant


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def first_built(
    name: str, sample_shape: tuple[int, ...], seed: int, knobs: tuple[tuple[str, Any], ...]
) -> Variant:
    """Build a variant once, in float32 whatever the default type of the first test that needs the variant."""
    kind = all_variants()[name]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return kind(kind.Hyperparameters(**dict(knobs)), sample_shape, CLASSES if kind.conditional else 0)
    finally:
        torch.set_default_dtype(default)


def build_variant(
    name: str,
    *,
    size: int = 28,
    channels: int = 1,
    seed: int = 0,
    dimensions: int = 2,
    shaken: bool = False,
    dtype: torch.dtype = torch.float32,
    **knobs: Any,
) -> Variant:
    """Build a variant with 4 filters and 6 latent dimensions; layers ``points`` are for points.

    A variant without the knob `layers` has layers for points where samples are points. `shaken` perturbs
    every parameter, so that zero biases are no special case.
    """
    knobs = {"filters": 4, "latent_dim": 6} | knobs
    sample_shape = (dimensions,) if knobs.get("layers") == "points" else (channels, size, size)
    if "layers" not in all_variants()[name].Hyperparameters.model_fields:
        knobs.pop("layers", None)
    variant = copy.deepcopy(first_built(name, sample_shape, seed, tuple(sorted(knobs.items()))))
    if shaken:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in variant.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return variant.to(dtype).train()


@pytest.fixture
def build() -> Callable[..., Any]:
    return build_variant


class Started(Subject):
    """A variant to check, whose k (if there is one) is away from where k starts and stops."""

    def build(self, seed: int = 0) -> Variant:
        variant = super().build(seed)
        if isinstance(variant, BoundaryEquilibrium):
            variant.k.fill_(0.5)
        return variant


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Subject]:
    """Return a function that makes a variant, which learns fast, ready to be checked; made once a module."""
    made: dict[tuple[Any, ...], Subject] = {}

    def make(name: str, **knobs: Any) -> Subject:
        key = (name, *sorted(knobs.items()))
        if key not in made:
            fast = {"lr_g": 1e-3, "lr_d": 1e-3}
            if issubclass(all_variants()[name], BoundaryEquilibrium):
                fast["lambda_k"] = 0.1
            built = build_variant(name, **fast | knobs)
            folder = tmp_path_factory.mktemp("checked")
            made[key] = Started(type(built), built.hyperparameters, built.sample_shape, folder)
        return made[key]

    return make


def draw_images(count: int = 3, size: int = 28, channels: int = 1, seed: int = 1) -> Tensor:
    """Return images float32 in [-1, 1], (B, C, H, W), of different brightness."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand((count, channels, size, size), generator=generator)
    brightness = torch.rand((count, 1, 1, 1), generator=generator)
    return (pixels * brightness) * 2 - 1


@pytest.fixture
def images() -> Callable[..., Tensor]:
    return draw_images


def draw_points(count: int = 3, dimensions: int = 2, seed: int = 1) -> Tensor:
    """Return points float32 in [-1, 1], (B, N)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, dimensions), generator=generator) * 2 - 1


def draw_samples(variant: Variant, count: int = 3, seed: int = 1) -> Tensor:
    """Return samples of a variant's shape and dtype: images or points."""
    if len(variant.sample_shape) == 1:
        drawn = draw_points(count, *variant.sample_shape, seed=seed)
    else:
        channels, size, _ = variant.sample_shape
        drawn = draw_images(count, size, channels, seed)
    return drawn.to(next(variant.parameters()).dtype)


@pytest.fixture
def samples() -> Callable[..., Tensor]:
    return draw_samples


class DoubleNoise(Noise):
    """The same draws in float64."""

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        return super().normal(purpose, shape).double()

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        return super().uniform(purpose, shape, low, high).double()


@pytest.fixture
def single_noise() -> Callable[[], Noise]:
    return lambda: Noise(11, 5, torch.device("cpu"))


@pytest.fixture
def double_noise() -> Callable[[], Noise]:
    return lambda: DoubleNoise(11, 5, torch.device("cpu"))


def run_phases(variant: Variant, batch: Batch, rate: float = 0.0) -> tuple[Scalars, dict[str, list[Tensor]]]:
    """Run the phases of one step, with a step of gradient descent at `rate` after each phase.

    Returns the scalars of the phases and, for each network, the gradients of the phase that updates it.
    """
    scalars: Scalars = {}
    gradients: dict[str, list[Tensor]] = {}
    for phase in variant.phases():
        variant.zero_grad(set_to_none=True)
        scalars |= phase.accumulate_gradients(batch)
        for network in phase.updates:
            parameters = variant.trainable_parameters(network)
            gradients[network] = [
                torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters
            ]
            descend(parameters, gradients[network], rate)
    return scalars, gradients


def descend(parameters: list[nn.Parameter], gradients: list[Tensor], rate: float) -> None:
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(rate * gradient)


@pytest.fixture
def phases_run() -> Callable[..., tuple[Scalars, dict[str, list[Tensor]]]]:
    return run_phases


@pytest.fixture
def gradient() -> Callable[[Tensor, list[nn.Parameter]], list[Tensor]]:
    return gradient_of


class Equations:
    """One training step of a boundary-equilibrium variant, computed from the equations.

    Parameters
    ----------
    variant
        Variant whose networks, k and hyperparameters are read; it is not changed.
    real
        Real samples.
    noise
        The same draws as those of the variant.
    """

    def __init__(self, variant: Any, real: Tensor, noise: Noise) -> None:
        self.knobs = variant.hyperparameters
        self.real = real
        self.k = variant.k.item()
        self.discriminator = copy.deepcopy(variant.discriminator)
        self.generator = copy.deepcopy(variant.generator)
        self.alternating = self.knobs.update == "alternating"
        self.fresh = self.alternating and self.knobs.fresh_latent

        shape = (len(real), self.knobs.latent_dim)
        self.latent = self.draw_latent(noise, "latent", shape)
        self.latent_g = self.draw_latent(noise, "generator latent", shape) if self.fresh else self.latent
        self.epsilon_real = self.epsilon_fake = self.epsilon_fake_g = None
        if hasattr(self.discriminator, "log_variance"):
            self.epsilon_real = noise.normal("code of real", shape)
            if self.knobs.fake_code == "sample":
                self.epsilon_fake = self.epsilon_fake_g = noise.normal("code of fake", shape)
                if self.alternating:
                    self.epsilon_fake_g = noise.normal("code of fake", shape)

    def draw_latent(self, noise: Noise, purpose: str, shape: tuple[int, int]) -> Tensor:
        if self.knobs.prior == "normal":
            return noise.normal(purpose, shape)
        return noise.uniform(purpose, shape, -1.0, 1.0)

    def parameters(self, network: str) -> list[nn.Parameter]:
        return [p for p in getattr(self, network).parameters() if p.requires_grad]

    def error(self, images: Tensor, reconstructed: Tensor) -> Tensor:
        """Return L(v) of v and D(v)."""
        residual = images - reconstructed
        if self.knobs.norm == "l1":
            return residual.abs().sum() / residual.numel()
        if self.knobs.norm == "l2":
            return (residual**2).sum() / residual.numel()
        return (residual**2).sum() ** 0.5 / len(residual)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mu and log sigma^2, the latter None for a plain autoencoder."""
        features = self.discriminator.trunk(images)
        mu = self.discriminator.mean(features)
        if not hasattr(self.discriminator, "log_variance"):
            return mu, None
        return mu, self.discriminator.log_variance(features)

    def code(self, mu: Tensor, log_variance: Tensor | None, epsilon: Tensor | None) -> Tensor:
        """Return mu + sigma epsilon, or mu without epsilon."""
        if log_variance is None or epsilon is None:
            return mu
        return mu + log_variance.exp().sqrt() * epsilon

    def loss(self, images: Tensor, epsilon: Tensor | None) -> Tensor:
        """Return L(v) with D(v) decoded from a code drawn with epsilon."""
        return self.error(images, self.discriminator.decoder(self.code(*self.encode(images), epsilon)))

    def divergence(self, mu: Tensor, log_variance: Tensor | None) -> Tensor:
        """Return KL(N(mu, sigma^2) || N(0, I)), a mean over the batch."""
        assert log_variance is not None
        variance = log_variance.exp()
        each_image = ((mu**2 + variance - variance.log() - 1) / 2).sum(1)
        if self.knobs.kl_over == "mean":
            each_image = each_image / mu.shape[1]
        return each_image.sum() / len(mu)

    def discriminator_losses(self) -> dict[str, Tensor]:
        """Return L_D and its terms for detached fake samples."""
        fake = self.generator(self.latent).detach()
        parts = {
            "loss_real": self.loss(self.real, self.epsilon_real),
            "loss_fake": self.loss(fake, self.epsilon_fake),
        }
        total = parts["loss_real"] - self.k * parts["loss_fake"]
        encoding = self.encode(fake)
        if hasattr(self.discriminator, "log_variance"):
            parts["kl_real"] = self.divergence(*self.encode(self.real))
            parts["kl_fake"] = self.divergence(*encoding)
            bounded = parts["kl_fake"].clamp(max=self.knobs.kl_fake_limit)
            total = (total + self.knobs.kl_weight * (parts["kl_real"] - self.k * bounded)) / 2
        if hasattr(self.knobs, "alpha"):
            decoded = getattr(self.knobs, "constraint_code", "mean") == "decoded"
            guess = self.code(*encoding, self.epsilon_fake if decoded else None)
            parts["loss_constraint"] = (self.latent - guess).abs().sum() / guess.numel()
            total = total + self.knobs.alpha * parts["loss_constraint"]
        return parts | {"loss_d": total}

    def generator_loss(self) -> Tensor:
        """Return L(G(z)) with the current discriminator."""
        epsilon = self.epsilon_fake_g
        return self.loss(self.generator(self.latent_g), epsilon)

    def step(self, rate: float) -> dict[str, float]:
        """Take one step of gradient descent and return its scalars."""
        parts = self.discriminator_losses()
        d_gradient = gradient_of(parts["loss_d"], self.parameters("discriminator"))
        if not self.alternating:
            loss_g = self.generator_loss()
            g_gradient = gradient_of(loss_g, self.parameters("generator"))
            descend(self.parameters("discriminator"), d_gradient, rate)
        else:
            descend(self.parameters("discriminator"), d_gradient, rate)
            loss_g = self.generator_loss()
            g_gradient = gradient_of(loss_g, self.parameters("generator"))
        descend(self.parameters("generator"), g_gradient, rate)

        logged = {name: value.item() for name, value in parts.items()}
        logged["loss_g"] = logged["loss_fake"] = loss_g.item()
        if self.knobs.reevaluate:
            logged["loss_real"] = self.loss(self.real, None).item()
            logged["loss_fake"] = self.loss(self.generator(self.latent_g), None).item()
        balance = self.knobs.gamma * logged["loss_real"] - logged["loss_fake"]
        logged["balance"] = balance
        logged["M"] = logged["loss_real"] + abs(balance)
        logged["k"] = min(1.0, max(0.0, self.k + self.knobs.lambda_k * balance))
        return logged


@pytest.fixture
def equations() -> type[Equations]:
    return Equations


class RandomBatches:
    """An endless stream of real batches; batch i is drawn with seed 100 + i, and noted as taken."""

    def __init__(self, count: int, variant: Variant) -> None:
        self.batch_size = self.count = count
        self.variant = variant
        self.taken: list[int] = []

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        self.taken.append(index)
        whole = draw_samples(self.variant, self.count, seed=100 + index).to(torch.get_default_dtype())
        return whole.chunk(micro_batches)[micro_batch]

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        """Return classes in turn, all 0 where there are none."""
        return ((torch.arange(self.count) + index) % max(1, self.variant.classes)).chunk(micro_batches)[
            micro_batch
        ]


@pytest.fixture
def make_trainer(tmp_path: Path) -> Iterator[Callable[..., Trainer]]:
    writers: list[RecordWriter] = []

    def make(
        variant: Any,
        steps: int,
        folder: str = "run",
        count: int = 3,
        options: ComputeOptions | None = None,
        **plan: Any,
    ) -> Trainer:
        """Make a trainer that judges nothing and has a checkpoint after the last step.

        `plan` has further fields of :class:`Plan`.
        """
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        writers.append(RecordWriter(place / "record.jsonl"))
        knobs = variant.hyperparameters
        return Trainer(
            variant=variant,
            batches=RandomBatches(count, variant),
            plan=Plan(steps, 7, LearningRateRule("none", 1, 0.0), grid_images=4, **plan),
            hyperparameters=knobs,
            device=torch.device("cpu"),
            writer=writers[-1],
            folder=place,
            measure=lambda sampler: {"d": 0.0},
            lower_is_better="d",
            options=options or ComputeOptions(),
        )

    yield make
    for writer in writers:
        writer.close()
