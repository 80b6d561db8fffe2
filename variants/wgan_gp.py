"""WGAN-GP: a critic with gradient penalty and no k, to compare with and to keep the contract general."""

from typing import Literal

import torch
from torch import Tensor, nn

from variants.base import Batch, Phase, Scalars, Variant, VariantHyperparameters
from variants.knobs import LARGEST, WIDEST, Preset, Search, knob
from variants.modules.autoencoders import Trunk, in_float32
from variants.modules.initialisation import initialise
from variants.modules.networks import leaky_relu, strided_trunk, transposed_decoder
from variants.modules.point_networks import (
    initialise_point_networks,
    makes_points,
    point_decoder,
    point_trunk,
)
from variants.noise import Noise
from variants.presets import POINTS, STACKED
from variants.registry import register


class WganGpHyperparameters(VariantHyperparameters):
    """Hyperparameters of WGAN-GP; the defaults are those of the paper, algorithm 1."""

    filters: int = knob(64, "base width of the networks", unit="channels", low=1, high=1_000_000)
    latent_dim: int = knob(
        128, "size of the latent z", unit="dimensions", low=1, high=WIDEST, search=Search(8, 128, "log")
    )
    beta1: float = knob(0.0, "Adam's decay of the first moment", low=0, high=0.9999, search=Search(0.0, 0.9))
    beta2: float = knob(0.9, "Adam's decay of the second moment", low=0, high=0.999999)
    critic_steps: int = knob(5, "updates of the critic per update of the generator", low=1, high=1000)
    penalty_weight: float = knob(
        10.0, "weight of the gradient penalty", low=0, high=LARGEST, search=Search(1.0, 30.0, "log")
    )
    layers: Literal["published", "points"] = knob(
        "published", "DCGAN's architecture, or linear layers for points"
    )


class Critic(nn.Module):
    """Maps samples to one score each."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.score = nn.Linear(trunk.features, 1)

    def forward(self, samples: Tensor) -> Tensor:
        """Map samples (B, ...) to scores (B,)."""
        return in_float32(self.score(self.trunk(samples))).squeeze(1)


QUICK: Preset = {
    "extractor": "shipped",
    "threads": 1,
    "steps": 3000,
    "batch_size": 32,
    "filters": 16,
    "latent_dim": 16,
    "lr_g": 1e-3,
    "lr_d": 1e-3,
    "eval_samples": 2000,
}


@register
class WganGp(Variant):
    """WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, algorithm 1), DCGAN's networks, no norm in D.

        L_D = E[D(G(z))] - E[D(x)] + weight E[(|grad D(x')| - 1)^2],  x' = x + u (G(z) - x),  u ~ U[0, 1)
        L_G = -E[D(G(z))]

    Each update of the critic has a real batch of its own. z ~ N(0, I).
    """

    name = "wgan-gp"
    title = "WGAN-GP: critic with gradient penalty"
    source = "Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, arXiv 1704.00028"
    Hyperparameters = WganGpHyperparameters
    presets = {
        "quick": QUICK,
        "stacked": QUICK | STACKED,
        "points": POINTS
        | {
            "steps": 3000,
            "batch_size": 256,
            "filters": 64,
            "latent_dim": 2,
            "critic_steps": 2,
            "penalty_weight": 1.0,
            "lr_g": 1e-3,
            "lr_d": 2e-3,
            "beta1": 0.5,
            "lr_rule": "halve_every",
            "lr_window": 750,
            "ema_decay": 0.99,
        },
        "small": {"dataset": "celeba", "image_size": 64, "batch_size": 64, "filters": 32, "steps": 20_000},
        "paper": {"dataset": "lsun-bedroom", "image_size": 64, "batch_size": 64, "steps": 200_000},
    }

    def __init__(self, hyperparameters: WganGpHyperparameters, sample_shape: tuple[int, ...]) -> None:
        super().__init__(hyperparameters, sample_shape)
        self.hyperparameters = hyperparameters
        filters, latent_dim = hyperparameters.filters, hyperparameters.latent_dim
        if makes_points(hyperparameters.layers, sample_shape):
            (dimensions,) = sample_shape
            self.generator = point_decoder(dimensions, filters, latent_dim, normalise=False)
            trunk = point_trunk(dimensions, filters, leaky_relu, normalise=False)
        else:
            channels, size, _ = sample_shape
            self.generator = transposed_decoder(channels, size, filters, latent_dim)
            trunk = strided_trunk(channels, size, filters, leaky_relu, normalise=False)
        self.discriminator = Critic(trunk)
        if hyperparameters.layers == "points":
            initialise_point_networks(self.generator, self.discriminator)
        else:
            initialise(self, lambda weight: nn.init.kaiming_normal_(weight, a=0.2))

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of the critic, then the phase of the generator."""
        critic = Phase(("discriminator",), self._critic_phase)
        generator = Phase(("generator",), self._generator_phase, new_real_batch=False)
        return (critic,) * self.hyperparameters.critic_steps + (generator,)

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw z ~ N(0, I), float32 (count, latent_dim)."""
        return noise.normal(purpose, (count, self.hyperparameters.latent_dim))

    def _critic_phase(self, batch: Batch) -> Scalars:
        real = batch.real
        count = real.shape[0]
        with torch.no_grad():
            fake = self.generator(self.draw_latent(batch.noise, count))
        scores = self.discriminator(torch.cat((real, fake)))
        distance = scores[:count].mean() - scores[count:].mean()
        weight = batch.noise.uniform("interpolation", (count,) + (1,) * (real.dim() - 1))
        between = torch.lerp(real, fake, weight).requires_grad_()
        score = self.discriminator(between).sum()
        (slope,) = torch.autograd.grad(score, between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1.0).square().mean()
        loss = self.hyperparameters.penalty_weight * penalty - distance
        torch.autograd.backward(loss, inputs=self.trainable_parameters("discriminator"))
        scalars = {"loss_d": loss, "wasserstein": distance, "gradient_penalty": penalty}
        return {name: value.detach() for name, value in scalars.items()}

    def _generator_phase(self, batch: Batch) -> Scalars:
        fake = self.generator(self.draw_latent(batch.noise, batch.real.shape[0]))
        loss = -self.discriminator(fake).mean()
        torch.autograd.backward(loss, inputs=self.trainable_parameters("generator"))
        return {"loss_g": loss.detach()}
