"""Calibrated energy-based GAN: the generator's entropy makes the discriminator an energy of the data."""

from typing import Literal

import torch
from torch import Tensor

from variants.base import Batch
from variants.families.inference import Inference
from variants.families.two_player import POINTS, QUICK, Loss, TwoPlayerHyperparameters
from variants.knobs import LARGEST, Search, knob
from variants.parts.augmentation import Augmentation
from variants.parts.batch_statistics import BatchStatistics
from variants.parts.penalties import SamplePenalties
from variants.parts.spectral_norm import SpectralNorm
from variants.presets import Preset, Training
from variants.registry import register
from variants.scalars import Panel, TrainingScalar


class CeganHyperparameters(
    TwoPlayerHyperparameters, SamplePenalties, SpectralNorm, BatchStatistics, Augmentation
):
    """Hyperparameters of the calibrated energy-based GAN."""

    latent_dim: int = 100
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    prior: Literal["normal", "uniform"] = "uniform"
    entropy: Literal["variational", "nearest-neighbour"] = knob(
        "variational",
        "entropy of G(z): bounded by log q(z|G(z)), q a diagonal Gaussian network (EGAN-Ent-VI), or its "
        "gradient estimated from the nearest other samples of the batch (EGAN-Ent-NN)",
    )
    entropy_weight: float = knob(
        1.0,
        "weight of the entropy in the loss of G; the authors' program decays it from 0.5 to 0.1 on CelebA",
        above=0,
        high=LARGEST,
        search=Search(1e-3, 1.0, "log"),
    )
    entropy_neighbours: int = knob(
        20, "nearest other samples with `entropy` nearest-neighbour", unit="samples", low=1, high=1_000_000
    )
    energy_penalty: float = knob(
        0.01,
        "weight of E[c(x)^2] + E[c(G(z))^2] in the loss of D, as in the authors' program",
        low=0,
        high=LARGEST,
        search=Search(1e-3, 1.0, "log"),
    )


def density_gradient(samples: Tensor, neighbours: int) -> Tensor:
    """Return an estimate of grad log p at each of a batch of samples, of the same shape (B, ...).

    It is the mean shift to the k nearest other samples over their variance, the gradient of a Gaussian
    kernel density. The variance is the mean over coordinates, with the sample itself.
    """
    flat = samples.flatten(1)
    count = min(neighbours, len(flat) - 1)
    near = flat[torch.cdist(flat, flat).topk(count + 1, largest=False).indices]  # with itself
    shift = near.mean(1) * (count + 1) / count - flat / count - flat
    variance = near.var(dim=1, correction=0).mean(1, keepdim=True)
    return (shift / variance.clamp(min=1e-8)).view_as(samples)


@register
class Cegan(Inference):
    """Calibrated energy-based GAN (Dai et al. 2017, algorithm 1: EGAN-Ent-VI, or EGAN-Ent-NN).

    D's score is the energy c. The entropy of G(z) is at least that of z plus E[log q(z|G(z))].
    """

    name = "cegan"
    title = "CEGAN: energy calibrated by G's entropy"
    source = "Dai, Almahairi, Bachman, Hovy, Courville 2017, arXiv 1702.01691"
    Hyperparameters = CeganHyperparameters
    hyperparameters: CeganHyperparameters
    scalars = (
        *Inference.scalars,
        TrainingScalar("energy_gap", "E[c(G(z))] - E[c(x)]", panel=Panel("energy gap"), in_progress=True),
        TrainingScalar("entropy_term", "negative entropy term", better="lower", panel=Panel("entropy term")),
    )
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4, entropy_weight=0.1),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=1e-3, entropy_weight=0.1),
        "paper": Preset(
            {"entropy_weight": 0.5}, Training(dataset="celeba", image_size=64, batch_size=64, epochs=50)
        ),
    }

    @property
    def variational(self) -> bool:
        """Whether there is a network q(z|x)."""
        return self.hyperparameters.entropy == "variational"

    def build_further_networks(self) -> None:
        """Build q(z|x), if there is one."""
        if self.variational:
            super().build_further_networks()
        else:
            self.trained_with_generator = ()

    def encode(self, samples: Tensor) -> Tensor | None:
        """Return the mean of q(z|x); None without q."""
        return super().encode(samples) if self.variational else None

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[c(x)] - E[c(G(z))], with the penalty on the size of c."""
        energy_real, energy_fake = self.scores(real, fake, batch)
        gap = energy_fake.mean() - energy_real.mean()
        size = energy_real.square().mean() + energy_fake.square().mean()
        return self.hyperparameters.energy_penalty * size - gap, {"energy_gap": gap}

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return E[c(G(z))] - weight H, the loss of G and of q, which only H has."""
        if self.variational:
            mean, log_variance = self.encoder(fake)
            errors = (latent - mean).square() * (-log_variance).exp()
            term = 0.5 * (log_variance + errors).sum(1).mean()
        else:
            slope = density_gradient(fake.detach(), self.hyperparameters.entropy_neighbours)
            term = (slope * fake).flatten(1).sum(1).mean()
        energy = self.fake_scores(fake, batch).mean()
        return energy + self.hyperparameters.entropy_weight * term, {"entropy_term": term}

    def indivisible(self) -> str:
        """Return that neighbours are sought in the whole batch, where they are."""
        if not self.variational:
            return "neighbours are sought among all samples of a batch"
        return super().indivisible()
