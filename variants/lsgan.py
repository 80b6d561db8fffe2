"""LSGAN: least squares in place of the cross-entropy."""

from typing import Literal

from torch import Tensor

from variants.base import Batch
from variants.families.two_player import (
    POINTS,
    QUICK,
    DiscriminatorNorm,
    Loss,
    TwoPlayer,
    TwoPlayerHyperparameters,
)
from variants.parts.feature_matching import FeatureMatching
from variants.parts.groups import ScoreParts
from variants.presets import Preset, Training
from variants.registry import register


class LsganHyperparameters(TwoPlayerHyperparameters, ScoreParts, FeatureMatching, DiscriminatorNorm):
    """Hyperparameters of LSGAN; the defaults are DCGAN's."""

    latent_dim: int = 100
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    prior: Literal["normal", "uniform"] = "uniform"
    discriminator_norm: Literal["batch", "none"] = "batch"


@register
class Lsgan(TwoPlayer):
    """LSGAN (Mao et al. 2017, arXiv 1611.04076, equation 9), on DCGAN's networks.

    The paper's own networks for bedrooms of 112x112 pixels are deeper.
    """

    name = "lsgan"
    title = "LSGAN: least squares"
    source = "Mao, Li, Xie, Lau, Wang, Smolley 2017, arXiv 1611.04076"
    Hyperparameters = LsganHyperparameters
    hyperparameters: LsganHyperparameters
    weight_deviation = 0.02
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=2e-3, lr_d=4e-3, discriminator_norm="none"),
        "paper": Preset({}, Training(dataset="lsun-bedroom", image_size=112, batch_size=64, epochs=5)),
    }

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[(d(x) - 1)^2] / 2 + E[d(G(z))^2] / 2."""
        score_real, score_fake = self.scores(real, fake, batch)
        return ((score_real - 1).square() + score_fake.square()).mean() / 2

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = E[(d(G(z)) - 1)^2] / 2."""
        return (self.fake_scores(fake, batch) - 1).square().mean() / 2
