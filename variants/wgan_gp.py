"""WGAN-GP: a critic with gradient penalty and no k, to compare with and to keep the contract general."""

from variants.families.critics import CriticSteps, WassersteinCritic
from variants.families.two_player import POINTS, QUICK, TwoPlayerHyperparameters
from variants.parts.groups import ScoreParts
from variants.presets import Preset, Training
from variants.registry import register


class WganGpHyperparameters(TwoPlayerHyperparameters, CriticSteps, ScoreParts):
    """Hyperparameters of WGAN-GP; the defaults are those of the paper, algorithm 1."""

    latent_dim: int = 128
    beta1: float = 0.0
    beta2: float = 0.9
    critic_steps: int = 5
    penalty_weight: float = 10.0


@register
class WganGp(WassersteinCritic):
    """WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, algorithm 1), DCGAN's networks, no norm in D."""

    name = "wgan-gp"
    title = "WGAN-GP: critic with gradient penalty"
    source = "Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, arXiv 1704.00028"
    Hyperparameters = WganGpHyperparameters
    hyperparameters: WganGpHyperparameters
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=1e-3),
        "points": POINTS.with_values(critic_steps=2, penalty_weight=1.0, lr_g=1e-3, lr_d=2e-3, beta1=0.5),
        "small": Preset({"filters": 32}, Training(steps=20_000, batch_size=64)),
        "paper": Preset({}, Training(dataset="lsun-bedroom", image_size=64, batch_size=64, steps=200_000)),
    }
