"""A least-squares GAN: a whole variant in one file."""

from torch import Tensor

from variants.base import Batch
from variants.families.two_player import TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import Search, knob
from variants.registry import register


class MyHyperparameters(TwoPlayerHyperparameters):
    """Hyperparameters: other defaults of two that every variant has, and one of its own."""

    lr_g: float = 1e-3
    lr_d: float = 1e-3
    weight: float = knob(
        1.0, "weight of the fake samples in L_D", low=0, high=100, search=Search(0.1, 10, "log")
    )


@register
class MyGan(TwoPlayer):
    """LSGAN (Mao et al. 2017, arXiv 1611.04076): D's scores approach 1 for real and 0 for fake samples."""

    name = "my-gan"
    title = "least-squares GAN"
    source = "Mao, Li, Xie, Lau, Wang, Smolley 2017, arXiv 1611.04076"
    Hyperparameters = MyHyperparameters
    hyperparameters: MyHyperparameters

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_D = E[(D(x) - 1)^2] + weight E[D(G(z))^2]."""
        of_real, of_fake = self.discriminator(real), self.discriminator(fake)
        return (of_real - 1).square().mean() + self.hyperparameters.weight * of_fake.square().mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_G = E[(D(G(z)) - 1)^2]."""
        return (self.discriminator(fake) - 1).square().mean()
