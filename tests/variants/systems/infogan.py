"""InfoGAN: a latent with parts, and a head on the discriminator's features that trains with the generator."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gaussian_nll_loss, one_hot

from variants.base import Batch
from variants.dcgan import Dcgan
from variants.families.two_player import Loss
from variants.noise import Noise


class Infogan(Dcgan):
    """Chen et al. 2016: latents [z, one of 10 classes, 2 uniform codes], guessed by Q on D's features."""

    name, title, source = "infogan", "InfoGAN", "arXiv 1606.03657"
    trained_with_generator = ("guess",)

    @property
    def latent_width(self) -> int:
        return self.hyperparameters.latent_dim + 10 + 2

    def build_further_networks(self) -> None:
        # logits of the class, mean and log variance of the codes
        self.guess = nn.Linear(self.discriminator.trunk.features, 10 + 2 + 2)

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        classes = one_hot(noise.integers(f"{purpose}: class", (count,), 10), 10).float()
        codes = noise.uniform(f"{purpose}: codes", (count, 2), -1.0, 1.0)
        return torch.cat((super().draw_latent(noise, count, purpose), classes, codes), dim=1)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        logits, mean, log_variance = self.guess(self.discriminator.trunk(fake)).split((10, 2, 2), dim=1)
        class_loss = cross_entropy(logits, latent[:, -12:-2])
        code_loss = gaussian_nll_loss(mean, latent[:, -2:], log_variance.exp())
        total = super().generator_loss(fake, latent, batch) + class_loss + 0.1 * code_loss
        return total, {"class_loss": class_loss, "code_loss": code_loss}
