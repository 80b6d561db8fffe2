"""A conditional GAN: generator and discriminator know the class of a sample."""

from torch import Tensor
from torch.nn.functional import softplus

from variants.base import Batch
from variants.families.two_player import TwoPlayer


class Cgan(TwoPlayer):
    """Mirza and Osindero 2014, equation 2 with the non-saturating loss of G; fake classes are uniform."""

    name, title, source = "cgan", "conditional GAN", "arXiv 1411.1784"
    conditional = True

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        assert batch.labels is not None
        score_real = self.discriminator(real, self.one_hot(batch.labels))
        score_fake = self.discriminator(fake, latent[:, -self.classes :])
        return softplus(-score_real).mean() + softplus(score_fake).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return softplus(-self.discriminator(fake, latent[:, -self.classes :])).mean()
