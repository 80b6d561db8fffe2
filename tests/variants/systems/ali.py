"""ALI, the same as BiGAN: an encoder trains with the generator, and the discriminator sees pairs."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from variants.base import Batch
from variants.families.two_player import Discriminator, Loss, TwoPlayer


class Ali(TwoPlayer):
    """Dumoulin et al. 2017 and Donahue et al. 2017, with an encoder E that adds no noise.

    D tells pairs of a sample and its code, (x, E(x)), from pairs of a latent and its sample, (G(z), z).
    """

    name, title, source = "ali", "ALI (BiGAN)", "arXiv 1606.00704, arXiv 1605.09782"
    trained_with_generator = ("encoder",)

    def build_discriminator(self) -> Discriminator:
        return Discriminator(self.build_trunk(self.latent_width))

    def build_further_networks(self) -> None:
        trunk = self.build_trunk()
        self.encoder = nn.Sequential(trunk, nn.Linear(trunk.features, self.latent_width))

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        with torch.no_grad():
            code = self.encoder(real)
        score_real, score_fake = self.discriminator(real, code), self.discriminator(fake, latent)
        return (softplus(-score_real) + softplus(score_fake)).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        score_real = self.discriminator(batch.real, self.encoder(batch.real))
        score_fake = self.discriminator(fake, latent)
        return (softplus(score_real) + softplus(-score_fake)).mean()
