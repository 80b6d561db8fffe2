"""DCGAN on the two-player layer."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from variants.base import Batch
from variants.families.two_player import TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import WIDEST, knob


class DcganHyperparameters(TwoPlayerHyperparameters):
    """Section 4 of the paper."""

    latent_dim: int = knob(100, "size of the latent z", low=1, high=WIDEST)
    lr_g: float = knob(2e-4, "learning rate of the generator", above=0)
    lr_d: float = knob(2e-4, "learning rate of the discriminator", above=0)
    beta1: float = knob(0.5, "Adam's decay of the first moment", low=0, high=0.9999)
    prior: Literal["normal", "uniform"] = knob("uniform", "z ~ N(0, I) or U[-1, 1]")


class Dcgan(TwoPlayer):
    """Radford, Metz, Chintala 2015; the losses are those of Goodfellow et al. 2014, non-saturating."""

    name, title, source = "dcgan", "DCGAN", "arXiv 1511.06434"
    Hyperparameters, discriminator_norm, weight_deviation = DcganHyperparameters, True, 0.02

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake)).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return softplus(-self.discriminator(fake)).mean()
