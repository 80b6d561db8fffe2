"""WGAN: clipped weights, RMSprop, and a critic whose number of steps varies."""

from torch import Tensor

from variants.base import Batch
from variants.families.two_player import Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.scalars import TrainingScalar

DISTANCE = TrainingScalar("wasserstein", "estimate of the Wasserstein distance", better="lower", selects=True)


class WganHyperparameters(TwoPlayerHyperparameters):
    """Algorithm 1 of the paper."""

    lr_g: float = knob(5e-5, "learning rate of the generator", above=0)
    lr_d: float = knob(5e-5, "learning rate of the critic", above=0)
    beta2: float = knob(0.99, "RMSprop's decay of the second moment", low=0, high=0.999999)


class Wgan(TwoPlayer):
    """Arjovsky, Chintala, Bottou 2017, algorithm 1; the critic's steps are those of their program."""

    name, title, source = "wgan", "WGAN", "arXiv 1701.07875"
    Hyperparameters, optimizer = WganHyperparameters, "rmsprop"
    scalars = (*TwoPlayer.scalars, DISTANCE)

    def discriminator_steps(self, step: int) -> int:
        return 100 if step <= 25 or step % 500 == 0 else 5

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        distance = self.discriminator(real).mean() - self.discriminator(fake).mean()
        return -distance, {"wasserstein": distance}

    def after_discriminator(self) -> None:
        for parameter in self.discriminator.parameters():
            parameter.data.clamp_(-0.01, 0.01)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return -self.discriminator(fake).mean()
