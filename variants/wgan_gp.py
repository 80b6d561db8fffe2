"""WGAN-GP: a critic with gradient penalty and no k, to compare with and to keep the contract general."""

import torch
from torch import Tensor

from variants.base import Batch
from variants.families.two_player import Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import LARGEST, WIDEST, Preset, Search, knob
from variants.presets import POINTS, STACKED
from variants.registry import register
from variants.scalars import Panel, TrainingScalar


class WganGpHyperparameters(TwoPlayerHyperparameters):
    """Hyperparameters of WGAN-GP; the defaults are those of the paper, algorithm 1."""

    latent_dim: int = knob(
        128, "size of the latent z", unit="dimensions", low=1, high=WIDEST, search=Search(8, 128, "log")
    )
    beta1: float = knob(0.0, "Adam's decay of the first moment", low=0, high=0.9999, search=Search(0.0, 0.9))
    beta2: float = knob(0.9, "Adam's decay of the second moment", low=0, high=0.999999)
    critic_steps: int = knob(5, "updates of the critic per update of the generator", low=1, high=1000)
    penalty_weight: float = knob(
        10.0, "weight of the gradient penalty", low=0, high=LARGEST, search=Search(1.0, 30.0, "log")
    )


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
class WganGp(TwoPlayer):
    """WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, algorithm 1), DCGAN's networks, no norm in D.

        L_D = E[D(G(z))] - E[D(x)] + weight E[(|grad D(x')| - 1)^2],  x' = x + u (G(z) - x),  u ~ U[0, 1)
        L_G = -E[D(G(z))]

    Each update of the critic has a real batch of its own. z ~ N(0, I).
    """

    name = "wgan-gp"
    title = "WGAN-GP: critic with gradient penalty"
    source = "Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, arXiv 1704.00028"
    Hyperparameters = WganGpHyperparameters
    hyperparameters: WganGpHyperparameters
    scalars = (
        *TwoPlayer.scalars,
        TrainingScalar(
            "wasserstein",
            "estimate of the Wasserstein distance",
            better="lower",
            panel=Panel("Wasserstein estimate"),
            selects=True,
            in_progress=True,
        ),
    )
    presets = {
        "quick": QUICK,
        "stacked": QUICK | STACKED,
        "points": {name: value for name, value in POINTS.items() if name != "layers"}
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

    def discriminator_steps(self, step: int) -> int:
        """Return the number of updates of the critic in a step."""
        return self.hyperparameters.critic_steps

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D with the estimate of the Wasserstein distance and the penalty."""
        score_real, score_fake = self.discriminator(torch.cat((real, fake))).chunk(2)
        distance = score_real.mean() - score_fake.mean()
        weight = batch.noise.uniform("interpolation", (len(real),) + (1,) * (real.dim() - 1))
        between = torch.lerp(real, fake, weight).requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminator(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1.0).square().mean()
        loss = self.hyperparameters.penalty_weight * penalty - distance
        return loss, {"wasserstein": distance, "gradient_penalty": penalty}

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G."""
        return -self.discriminator(fake).mean()
