"""Training steps as public programs write them, one class a member of the family.

Alternating updates: G passed for D's step and again for its own; ``backward()`` through everything, so that
G's step also fills D's gradients, which the next ``zero_grad`` throws away. Simultaneous updates, as in
carpedm20/BEGAN-tensorflow: G and D passed once, one backward pass for each network's loss. In both orders
D is passed on real and on fake images apart. torch's default Adam; NCHW, eager, float32; ``.item()`` of
every scalar in each step; images through a ``DataLoader`` over PIL. Formulas and networks are the variants',
so that both do the same training; of the networks' layers only torch's own are used.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from interleaved import Side
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bench.configuration import Configuration
from bench.datasets import DataArray
from variants.base import Variant
from variants.noise import derive_seed

NextReal = Callable[[], Tensor]


class Pictures(Dataset[Tensor]):
    """Images as torchvision's own data sets hand them out: one by one, through PIL.

    Parameters
    ----------
    samples : ndarray
        uint8 of shape (count, channels, side, side).
    """

    def __init__(self, samples: np.ndarray) -> None:
        channels = samples.shape[1]
        self.pixels = samples[:, 0] if channels == 1 else samples.transpose(0, 2, 3, 1)
        half = (0.5,) * channels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(half, half)])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        """One image, float32 in [-1, 1]."""
        return self.transform(Image.fromarray(self.pixels[index]))


def loader_of(array: DataArray, batch_size: int) -> DataLoader[Tensor]:
    """A loader as programs of this size have it: shuffled, in the training process."""
    return DataLoader(Pictures(array.samples), batch_size, shuffle=True, drop_last=True, num_workers=0)


def endless(loader: DataLoader[Tensor]) -> Iterator[Tensor]:
    """Batches of one epoch after another."""
    while True:
        yield from loader


class Draws(Protocol):
    """Where latents come from."""

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw from N(0, 1)."""

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from U[low, high)."""


class TorchDraws:
    """torch's one global stream."""

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw from N(0, 1)."""
        return torch.randn(shape)

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from U[low, high)."""
        return torch.empty(shape).uniform_(low, high)


def loss_of(images: Tensor, reconstructed: Tensor, norm: str) -> Tensor:
    """L(v) = |v - D(v)|."""
    if norm == "l1":
        return nn.functional.l1_loss(reconstructed, images)
    if norm == "l2":
        return nn.functional.mse_loss(reconstructed, images)
    return torch.norm(images - reconstructed) / len(images)


class PlainBegan:
    """BEGAN's step; also that of the ResNet-18 BEGAN.

    Parameters
    ----------
    variant : Variant
        Gives the networks, and nothing of its step.
    """

    def __init__(self, variant: Variant) -> None:
        self.knobs: Any = variant.hyperparameters
        self.generator, self.discriminator = variant.generator, variant.discriminator
        for layer in variant.modules():
            for kind in (nn.Conv2d, nn.ConvTranspose2d):
                if isinstance(layer, kind):
                    # a public program has torch's own layer, whatever faster one the variant has
                    layer.__class__ = kind
        variant.train()
        betas = self.knobs.beta1, self.knobs.beta2
        self.trained_g, self.trained_d = (
            [p for p in net.parameters() if p.requires_grad] for net in (self.generator, self.discriminator)
        )
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(trained, rate, betas, self.knobs.adam_epsilon)
            for trained, rate in ((self.trained_g, self.knobs.lr_g), (self.trained_d, self.knobs.lr_d))
        )
        self.k = 0.0

    def latent(self, draws: Draws, count: int, purpose: str) -> Tensor:
        """Draw z."""
        shape = count, self.knobs.latent_dim
        if self.knobs.prior == "uniform":
            return draws.uniform(purpose, shape, -1.0, 1.0)
        return draws.normal(purpose, shape)

    def reconstruct(self, images: Tensor, draws: Draws, purpose: str) -> tuple[Tensor, Any]:
        """D's reconstruction, and what its encoder said."""
        encoding = self.discriminator.encode(images)
        return self.discriminator.decoder(encoding.mean), encoding

    def further_terms(self, latent: Tensor, real: Any, fake: Any) -> dict[str, Tensor]:
        """What L_D has beside L(x) - k L(G(z)): values to log, and under ``further`` their weighted sum."""
        return {}

    def weight(self) -> float:
        """The weight of L(x) - k L(G(z)) in L_D."""
        return 1.0

    def losses_of_d(
        self, real: Tensor, fake: Tensor, latent: Tensor, draws: Draws
    ) -> tuple[dict[str, Tensor], Tensor]:
        """L(x), L_D and the terms to log of one batch, and L(G(z))."""
        real_reconstructed, real_encoding = self.reconstruct(real, draws, "code of real")
        fake_reconstructed, fake_encoding = self.reconstruct(fake, draws, "code of fake")
        loss_real = loss_of(real, real_reconstructed, self.knobs.norm)
        loss_fake = loss_of(fake, fake_reconstructed, self.knobs.norm)
        loss_d = self.weight() * (loss_real - self.k * loss_fake)
        terms = self.further_terms(latent, real_encoding, fake_encoding)
        if terms:
            loss_d = loss_d + terms.pop("further")
        return {"loss_real": loss_real, "loss_d": loss_d, **terms}, loss_fake

    def step(self, next_real: NextReal, draws: Draws) -> dict[str, float]:
        """Train D and G in the order that the knob `update` names, then k; return the scalars on the host."""
        real = next_real()
        latent = self.latent(draws, len(real), "latent")
        together = self.knobs.update == "simultaneous"
        scalars = (self.step_together if together else self.step_in_turn)(real, latent, draws)
        numbers = {name: value.item() for name, value in scalars.items()}
        balance = self.knobs.gamma * numbers["loss_real"] - numbers["loss_g"]
        self.k = min(max(self.k + self.knobs.lambda_k * balance, 0.0), 1.0)
        return numbers | {"k": self.k, "M": numbers["loss_real"] + abs(balance)}

    def step_together(self, real: Tensor, latent: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Train D and G from one forward pass."""
        scalars, loss_g = self.losses_of_d(real, self.generator(latent), latent, draws)
        self.optimizer_d.zero_grad()
        self.optimizer_g.zero_grad()
        scalars["loss_d"].backward(retain_graph=True, inputs=self.trained_d)
        loss_g.backward(inputs=self.trained_g)
        self.optimizer_d.step()
        self.optimizer_g.step()
        return scalars | {"loss_g": loss_g}

    def step_in_turn(self, real: Tensor, latent: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Train D, then G against the new D."""
        self.optimizer_d.zero_grad()
        scalars, _ = self.losses_of_d(real, self.generator(latent).detach(), latent, draws)
        scalars["loss_d"].backward()
        self.optimizer_d.step()

        self.optimizer_g.zero_grad()
        if self.knobs.fresh_latent:
            latent = self.latent(draws, len(real), "generator latent")
        fake = self.generator(latent)
        fake_reconstructed, _ = self.reconstruct(fake, draws, "code of fake")
        loss_g = loss_of(fake, fake_reconstructed, self.knobs.norm)
        loss_g.backward()
        self.optimizer_g.step()
        return scalars | {"loss_g": loss_g}


class PlainBeganCs(PlainBegan):
    """BEGAN-CS's step."""

    def further_terms(self, latent: Tensor, real: Any, fake: Any) -> dict[str, Tensor]:
        """Give alpha L_c."""
        constraint = (latent - fake.mean).abs().mean()
        return {"further": self.knobs.alpha * constraint, "loss_constraint": constraint}


class PlainBeganV3(PlainBegan):
    """BEGAN v3's step."""

    def weight(self) -> float:
        """Half, as in equation 21."""
        return 0.5

    def reconstruct(self, images: Tensor, draws: Draws, purpose: str) -> tuple[Tensor, Any]:
        """Reconstruct from a drawn code."""
        encoding = self.discriminator.encode(images)
        mean, log_variance = encoding
        if purpose == "code of fake" and self.knobs.fake_code == "mean":
            return self.discriminator.decoder(mean), encoding
        epsilon = draws.normal(purpose, tuple(mean.shape))
        return self.discriminator.decoder(mean + torch.exp(0.5 * log_variance) * epsilon), encoding

    def divergence(self, encoding: Any) -> Tensor:
        """KL to N(0, I), the mean over batch and dimensions."""
        mean, log_variance = encoding
        return -0.5 * torch.mean(1 + log_variance - mean.pow(2) - log_variance.exp())

    def further_terms(self, latent: Tensor, real: Any, fake: Any) -> dict[str, Tensor]:
        """Give half of the two KL terms, and alpha L_c."""
        kl_real, kl_fake = self.divergence(real), self.divergence(fake)
        constraint = (latent - fake.mean).abs().mean()
        bounded = kl_fake.clamp(max=self.knobs.kl_fake_limit)
        further = 0.5 * self.knobs.kl_weight * (kl_real - self.k * bounded) + self.knobs.alpha * constraint
        return {"further": further, "loss_constraint": constraint, "kl_real": kl_real, "kl_fake": kl_fake}


class PlainWganGp(PlainBegan):
    """WGAN-GP's step: the critic's updates, then the generator's."""

    def latent(self, draws: Draws, count: int, purpose: str) -> Tensor:
        """Draw z from N(0, I)."""
        return draws.normal(purpose, (count, self.knobs.latent_dim))

    def step(self, next_real: NextReal, draws: Draws) -> dict[str, float]:
        """Train the critic, then the generator; return the scalars on the host."""
        numbers: dict[str, float] = {}
        for _ in range(self.knobs.critic_steps):
            real = next_real()
            self.optimizer_d.zero_grad()
            fake = self.generator(self.latent(draws, len(real), "latent")).detach()
            distance = self.discriminator(real).mean() - self.discriminator(fake).mean()
            penalty = self.penalty(real, fake, draws)
            loss_d = self.knobs.penalty_weight * penalty - distance
            loss_d.backward()
            self.optimizer_d.step()
            scalars = {"loss_d": loss_d, "wasserstein": distance, "gradient_penalty": penalty}
            numbers = {name: value.item() for name, value in scalars.items()}
        self.optimizer_g.zero_grad()
        loss_g = -self.discriminator(self.generator(self.latent(draws, len(real), "latent"))).mean()
        loss_g.backward()
        self.optimizer_g.step()
        return numbers | {"loss_g": loss_g.item()}

    def penalty(self, real: Tensor, fake: Tensor, draws: Draws) -> Tensor:
        """The critic's slope between real and fake images, held to 1."""
        weight = draws.uniform("interpolation", (len(real), 1, 1, 1))
        between = ((1 - weight) * real + weight * fake).requires_grad_()
        scores = self.discriminator(between)
        (slope,) = torch.autograd.grad(
            scores, between, torch.ones_like(scores), create_graph=True, retain_graph=True
        )
        return ((slope.view(len(slope), -1).norm(2, dim=1) - 1) ** 2).mean()


PLAIN: dict[str, type[PlainBegan]] = {
    "began": PlainBegan,
    "began-cs": PlainBeganCs,
    "began-v3": PlainBeganV3,
    "began-resnet18": PlainBegan,
    "wgan-gp": PlainWganGp,
}


def networks_of(configuration: Configuration, sample_shape: tuple[int, ...]) -> Variant:
    """The variant's networks with the first weights that the harness gives them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(configuration.harness.seed, "initial weights"))
        return configuration.variant(configuration.hyperparameters, sample_shape)


class PlainLoop(Side):
    """Steps of a plain re-writing.

    Parameters
    ----------
    configuration : Configuration
        What is trained.
    array : DataArray
        The same samples that the harness trains on.
    through_loader : bool
        Whether batches come from the loader while the clock runs, or were taken before it started.
    """

    def __init__(self, configuration: Configuration, array: DataArray, through_loader: bool) -> None:
        torch.set_num_threads(configuration.harness.threads)
        variant = networks_of(configuration, array.samples.shape[1:])
        self.program = PLAIN[configuration.variant.name](variant)
        self.reals_per_step = getattr(configuration.hyperparameters, "critic_steps", 1)
        self._loaded = endless(loader_of(array, configuration.harness.batch_size))
        self._through_loader = through_loader
        self._ready: list[Tensor] = []

    def prepare(self, steps: int) -> None:
        """Take the batches of the next steps, unless the loader is to be timed."""
        if not self._through_loader:
            self._ready = [next(self._loaded) for _ in range(steps * self.reals_per_step)]

    def advance(self, steps: int) -> None:
        """Train so many steps."""
        source = self._loaded if self._through_loader else iter(self._ready)
        draws = TorchDraws()
        for _ in range(steps):
            self.program.step(lambda: next(source), draws)
