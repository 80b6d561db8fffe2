"""LSGAN: DCGAN with other losses."""

from systems.dcgan import Dcgan
from torch import Tensor

from variants.base import Batch


class Lsgan(Dcgan):
    """Mao et al. 2017, equation 9: squared distances of the scores from 1 and 0."""

    name, title, source = "lsgan", "LSGAN", "arXiv 1611.04076"

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return ((self.discriminator(real) - 1).square() + self.discriminator(fake).square()).mean() / 2

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return (self.discriminator(fake) - 1).square().mean() / 2
