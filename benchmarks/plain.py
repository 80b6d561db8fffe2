"""Training steps as public programs write them, one class per variant.

With alternating updates, G has a forward pass for D's step and another for its own step, and ``backward()``
goes through all networks, so that G's step also computes D's gradients, which the next ``zero_grad`` drops.
With simultaneous updates, as in carpedm20/BEGAN-tensorflow, G and D have one forward pass each, and the loss
of each network has one backward pass. In both orders, real and fake images pass D separately. Adam has
torch's defaults; layout NCHW, eager mode, float32; ``.item()`` of every scalar in each step; images from a
``DataLoader`` over PIL. Formulas and networks are those of the variants, so that both sides train alike, but
with torch's own layers in place of faster ones.
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
    """Images as torchvision's data sets return them: one by one, by way of PIL.

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
        """Return one image (channels, side, side), float32 in [-1, 1]."""
        return self.transform(Image.fromarray(self.pixels[index]))


def loader_of(array: DataArray, batch_size: int) -> DataLoader[Tensor]:
    """Return a loader as in programs of this size: shuffled, in the training process."""
    return DataLoader(Pictures(array.samples), batch_size, shuffle=True, drop_last=True, num_workers=0)


def endless(loader: DataLoader[Tensor]) -> Iterator[Tensor]:
    """Yield the batches of one epoch after another."""
    while True:
        yield from loader


class Draws(Protocol):
    """Source of random draws."""

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw from N(0, 1)."""

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from U[low, high)."""


class TorchDraws:
    """Draws of torch's global random generator."""

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw from N(0, 1)."""
        return torch.randn(shape)

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from U[low, high)."""
        return torch.empty(shape).uniform_(low, high)


def loss_of(images: Tensor, reconstructed: Tensor, norm: str) -> Tensor:
    """Return L(v) = |v - D(v)|."""
    if norm == "l1":
        return nn.functional.l1_loss(reconstructed, images)
    if norm == "l2":
        return nn.functional.mse_loss(reconstructed, images)
    return torch.norm(images - reconstructed) / len(images)


class PlainBegan:
    """Training step of BEGAN and of the ResNet-18 BEGAN.

    Parameters
    ----------
    variant : Variant
        Variant with the networks; its own training step is not used.
    """

    def __init__(self, variant: Variant) -> None:
        self.knobs: Any = variant.hyperparameters
        self.generator, self.discriminator = variant.generator, variant.discriminator
        for layer in variant.modules():
            for kind in (nn.Conv2d, nn.ConvTranspose2d):
                if isinstance(layer, kind):
                    # public programs use torch's own layer, where the variant may have a faster one
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
        """Return D's reconstruction and the outputs of its encoder."""
        encoding = self.discriminator.encode(images)
        return self.discriminator.decoder(encoding.mean), encoding

    def further_terms(self, latent: Tensor, real: Any, fake: Any) -> dict[str, Tensor]:
        """Return further terms of L_D, to log, and under ``further`` their weighted sum."""
        return {}

    def weight(self) -> float:
        """Return the weight of L(x) - k L(G(z)) in L_D."""
        return 1.0

    def losses_of_d(
        self, real: Tensor, fake: Tensor, latent: Tensor, draws: Draws
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return L(x), L_D and further terms to log, and L(G(z))."""
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
        """Update D and G in the order of the knob `update`, then k; return the scalars on the host."""
        real = next_real()
        latent = self.latent(draws, len(real), "latent")
        simultaneous = self.knobs.update == "simultaneous"
        scalars = (self.step_simultaneously if simultaneous else self.step_alternately)(real, latent, draws)
        numbers = {name: value.item() for name, value in scalars.items()}
        balance = self.knobs.gamma * numbers["loss_real"] - numbers["loss_g"]
        self.k = min(max(self.k + self.knobs.lambda_k * balance, 0.0), 1.0)
        return numbers | {"k": self.k, "M": numbers["loss_real"] + abs(balance)}

    def step_simultaneously(self, real: Tensor, latent: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Update D and G from one forward pass."""
        scalars, loss_g = self.losses_of_d(real, self.generator(latent), latent, draws)
        self.optimizer_d.zero_grad()
        self.optimizer_g.zero_grad()
        scalars["loss_d"].backward(retain_graph=True, inputs=self.trained_d)
        loss_g.backward(inputs=self.trained_g)
        self.optimizer_d.step()
        self.optimizer_g.step()
        return scalars | {"loss_g": loss_g}

    def step_alternately(self, real: Tensor, latent: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Update D, then G against the new D."""
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
    """Training step of BEGAN-CS."""

    def further_terms(self, latent: Tensor, real: Any, fake: Any) -> dict[str, Tensor]:
        """Return alpha L_c."""
        constraint = (latent - fake.mean).abs().mean()
        return {"further": self.knobs.alpha * constraint, "loss_constraint": constraint}


class PlainBeganV3(PlainBegan):
    """Training step of BEGAN v3."""

    def weight(self) -> float:
        """Return one half, as in equation 21."""
        return 0.5

    def reconstruct(self, images: Tensor, draws: Draws, purpose: str) -> tuple[Tensor, Any]:
        """Return the reconstruction from a drawn code, and the outputs of the encoder."""
        encoding = self.discriminator.encode(images)
        mean, log_variance = encoding
        if purpose == "code of fake" and self.knobs.fake_code == "mean":
            return self.discriminator.decoder(mean), encoding
        epsilon = draws.normal(purpose, tuple(mean.shape))
        return self.discriminator.decoder(mean + torch.exp(0.5 * log_variance) * epsilon), encoding

    def divergence(self, encoding: Any) -> Tensor:
        """Return the KL to N(0, I), a mean over batch and dimensions."""
        mean, log_variance = encoding
        return -0.5 * torch.mean(1 + log_variance - mean.pow(2) - log_variance.exp())

    def further_terms(self, latent: Tensor, real: Any, fake: Any) -> dict[str, Tensor]:
        """Return half of the two KL terms, and alpha L_c."""
        kl_real, kl_fake = self.divergence(real), self.divergence(fake)
        constraint = (latent - fake.mean).abs().mean()
        bounded = kl_fake.clamp(max=self.knobs.kl_fake_limit)
        further = 0.5 * self.knobs.kl_weight * (kl_real - self.k * bounded) + self.knobs.alpha * constraint
        return {"further": further, "loss_constraint": constraint, "kl_real": kl_real, "kl_fake": kl_fake}


class PlainWganGp(PlainBegan):
    """Training step of WGAN-GP: updates of the critic, then one of the generator."""

    def latent(self, draws: Draws, count: int, purpose: str) -> Tensor:
        """Draw z from N(0, I)."""
        return draws.normal(purpose, (count, self.knobs.latent_dim))

    def step(self, next_real: NextReal, draws: Draws) -> dict[str, float]:
        """Update the critic, then the generator; return the scalars on the host."""
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
        """Return the gradient penalty, mean (slope - 1)^2 between real and fake images."""
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
    """Return the variant with the initial weights of the harness."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(configuration.harness.seed, "initial weights"))
        return configuration.variant(configuration.hyperparameters, sample_shape)


class PlainLoop(Side):
    """Steps of a plain rewriting.

    Parameters
    ----------
    configuration : Configuration
        Configuration of the run.
    array : DataArray
        The same samples that the harness trains on.
    through_loader : bool
        Whether batches come from the loader within the timed block, or are prepared before the block.
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
        """Prepare the batches of the next steps, unless the loader is timed."""
        if not self._through_loader:
            self._ready = [next(self._loaded) for _ in range(steps * self.reals_per_step)]

    def advance(self, steps: int) -> None:
        """Train `steps` further steps."""
        source = self._loaded if self._through_loader else iter(self._ready)
        draws = TorchDraws()
        for _ in range(steps):
            self.program.step(lambda: next(source), draws)
