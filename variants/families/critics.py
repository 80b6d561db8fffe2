"""GANs whose discriminator is a critic: whatever D minimises, the loss of G is L_G = -E[d(G(z))]."""

from typing import ClassVar

from torch import Tensor

from variants.base import Batch
from variants.families.two_player import Loss, TwoPlayer
from variants.knobs import Knobs, knob
from variants.modules.losses import hinge
from variants.scalars import Panel, TrainingScalar

WASSERSTEIN = TrainingScalar(
    "wasserstein",
    "estimate of the Wasserstein distance",
    better="lower",
    panel=Panel("Wasserstein estimate"),
    selects=True,
    in_progress=True,
)


class CriticSteps(Knobs):
    """How often a step trains the critic."""

    critic_steps: int = knob(1, "updates of the critic per update of the generator", low=1, high=1000)


class Critic(TwoPlayer):
    """A GAN with L_G = -E[d(G(z))]; its hyperparameters may have :class:`CriticSteps`."""

    def discriminator_steps(self, step: int) -> int:
        """Return the number of updates of the critic in a step."""
        return self.hyperparameters.critic_steps if isinstance(self.hyperparameters, CriticSteps) else 1

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = -E[d(G(z))]."""
        return -self.fake_scores(fake, batch).mean()


class WassersteinCritic(Critic):
    """A critic that estimates the Wasserstein distance of real and fake samples (Arjovsky et al. 2017)."""

    scalars: ClassVar[tuple[TrainingScalar, ...]] = (*TwoPlayer.scalars, WASSERSTEIN)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D without penalties, E[d(G(z))] - E[d(x)]."""
        score_real, score_fake = self.scores(real, fake, batch)
        distance = score_real.mean() - score_fake.mean()
        return -distance, {"wasserstein": distance}


class HingeCritic(Critic):
    """A critic of the hinge loss (Miyato et al. 2018, equations 16 and 17)."""

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[max(0, 1 - d(x))] + E[max(0, 1 + d(G(z)))]."""
        return hinge(*self.scores(real, fake, batch))
