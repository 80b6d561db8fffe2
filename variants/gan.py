"""The first GAN: linear layers and a cross-entropy."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from variants.base import Batch
from variants.families.cross_entropy import CrossEntropy, CrossEntropyHyperparameters
from variants.families.two_player import POINTS, QUICK, Loss
from variants.knobs import knob
from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.dense_networks import dense_decoder, dense_trunk
from variants.modules.networks import leaky_relu
from variants.presets import Preset, Training
from variants.registry import register

UNITS = 8  # of a hidden layer for images, per filter: 150 filters are the 1200 units of Goodfellow's G


class GanHyperparameters(CrossEntropyHyperparameters):
    """Hyperparameters of the first GAN."""

    latent_dim: int = 100
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    prior: Literal["normal", "uniform"] = "uniform"
    generator_loss: Literal["non-saturating", "saturating"] = knob(
        "non-saturating", "G maximises log D(G(z)), or minimises log(1 - D(G(z)))"
    )


@register
class Gan(CrossEntropy):
    """GAN (Goodfellow et al. 2014, arXiv 1406.2661): two hidden layers of 8 `filters` units in each network.

    For images D is smaller than the paper's of maxout units with dropout, and tanh bounds the pixels in
    place of a sigmoid. The paper states no rates and no length: those here are DCGAN's, and 100 epochs.
    """

    name = "gan"
    title = "GAN: linear layers"
    source = (
        "Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio 2014, arXiv 1406.2661"
    )
    Hyperparameters = GanHyperparameters
    hyperparameters: GanHyperparameters
    presets = {
        "quick": QUICK.with_values(lr_g=5e-4, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=2e-3, lr_d=4e-3),
        "paper": Preset(
            {"filters": 150}, Training(dataset="mnist", image_size=28, batch_size=100, epochs=100)
        ),
    }

    def build_decoder(self, width: int) -> Decoder:
        """Build layers from latents (B, width) to samples."""
        if len(self.sample_shape) == 1:
            return super().build_decoder(width)
        return dense_decoder(self.sample_shape, UNITS * self.hyperparameters.filters, width)

    def build_trunk(self, further_channels: int = 0, packed: int = 1) -> Trunk:
        """Build layers from `packed` samples to flat features."""
        if len(self.sample_shape) == 1:
            return super().build_trunk(further_channels, packed)
        channels, size, _ = self.sample_shape
        width = UNITS * self.hyperparameters.filters
        return dense_trunk(packed * (channels + further_channels), size, width, leaky_relu)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = E[s(-d(G(z)))]; if saturating, the paper's equation 1 itself: -E[s(d(G(z)))]."""
        if self.hyperparameters.generator_loss == "saturating":
            return -softplus(self.fake_scores(fake, batch)).mean()
        return super().generator_loss(fake, latent, batch)
