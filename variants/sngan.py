"""SNGAN: spectral norm in every layer of the discriminator, and the hinge loss."""

from variants.families.critics import CriticSteps, HingeCritic
from variants.families.two_player import POINTS, QUICK, TwoPlayerHyperparameters
from variants.parts.feature_matching import FeatureMatching
from variants.parts.groups import ScoreParts
from variants.presets import Preset, Training
from variants.registry import register


class SnganHyperparameters(TwoPlayerHyperparameters, CriticSteps, ScoreParts, FeatureMatching):
    """Hyperparameters of SNGAN; the defaults are those of the paper, table 1, setting C."""

    latent_dim: int = 128
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    spectral_norm: bool = True


@register
class Sngan(HingeCritic):
    """SNGAN (Miyato et al. 2018, arXiv 1802.05957, equations 16 and 17, algorithm 1), on DCGAN's networks.

    Spectral norm is in D alone, one power iteration follows each update, and D has no batch norm. The
    paper's D for 32x32 pixels has a 3x3 convolution beside each of 4x4. Preset ``paper`` has the Adam of
    its setting D: (0, 0.9) and 5 updates of D. On points of a ring no setting tried has learned: a D with
    slopes of at most 1 tells modes apart that are half a unit away by far less than the margin.
    """

    name = "sngan"
    title = "SNGAN: spectral norm and hinge loss"
    source = "Miyato, Kataoka, Koyama, Yoshida 2018, arXiv 1802.05957"
    Hyperparameters = SnganHyperparameters
    hyperparameters: SnganHyperparameters
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=1e-3),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=2e-3),
        "paper": Preset(
            {"beta1": 0.0, "beta2": 0.9, "critic_steps": 5},
            Training(dataset="cifar10", image_size=32, batch_size=64, steps=50_000),
        ),
    }
