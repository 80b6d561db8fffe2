"""WGAN: a critic of clipped weights."""

from variants.families.critics import CriticSteps, WassersteinCritic
from variants.families.two_player import POINTS, QUICK, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.parts.augmentation import Augmentation
from variants.parts.batch_statistics import BatchStatistics
from variants.parts.packing import Packing
from variants.parts.weight_clipping import WeightClipping
from variants.presets import Preset, Training
from variants.registry import register


class WganHyperparameters(
    TwoPlayerHyperparameters, CriticSteps, WeightClipping, BatchStatistics, Packing, Augmentation
):
    """Hyperparameters of WGAN; the defaults are those of the paper, algorithm 1, and of its program."""

    latent_dim: int = 100
    lr_g: float = 5e-5
    lr_d: float = 5e-5
    beta2: float = 0.99
    critic_steps: int = 5
    early_critic_steps: int = knob(
        1,
        "the same in the first 25 steps and in every 500th, if that is more; 100 in the paper's program",
        low=1,
        high=1000,
    )
    weight_clip: float = 0.01


@register
class Wgan(WassersteinCritic):
    """WGAN (Arjovsky et al. 2017, arXiv 1701.07875, algorithm 1), DCGAN's networks, no norm in the critic.

    RMSprop without momentum. Preset ``paper`` has the further updates of the critic, and the 25 epochs, of
    martinarjovsky/WassersteinGAN.
    """

    name = "wgan"
    title = "WGAN: critic of clipped weights"
    source = "Arjovsky, Chintala, Bottou 2017, arXiv 1701.07875"
    Hyperparameters = WganHyperparameters
    hyperparameters: WganHyperparameters
    optimizer = "rmsprop"
    weight_deviation = 0.02
    presets = {
        "quick": QUICK.with_values(lr_g=5e-4, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=2e-3, weight_clip=0.3, critic_steps=3),
        "paper": Preset(
            {"early_critic_steps": 100},
            Training(dataset="lsun-bedroom", image_size=64, batch_size=64, epochs=25),
        ),
    }

    def discriminator_steps(self, step: int) -> int:
        """Return the number of updates of the critic in a step, more in early ones."""
        knobs = self.hyperparameters
        more = knobs.early_critic_steps if step <= 25 or step % 500 == 0 else 1
        return max(more, knobs.critic_steps)
