"""R3GAN: a relativistic loss, zero-centred penalties at real and fake samples, and no norm anywhere."""

from torch import Tensor
from torch.nn.functional import softplus

from variants.base import Batch
from variants.families.two_player import POINTS, QUICK, Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.residual_networks import (
    initialise_residual_network,
    residual_decoder,
    residual_trunk,
)
from variants.parts.groups import ScoreParts
from variants.presets import Preset, Training
from variants.registry import register


class R3ganHyperparameters(TwoPlayerHyperparameters, ScoreParts):
    """Hyperparameters of R3GAN; the defaults are those of its program for CIFAR-10, at the start."""

    latent_dim: int = 64
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.99
    r1_gamma: float = 0.05
    r2_gamma: float = 0.05
    residual_blocks: int = knob(2, "residual blocks at each side, for images", low=1, high=100)


@register
class R3gan(TwoPlayer):
    """R3GAN (Huang et al. 2024, arXiv 2501.05441, equations 2 and 4), with small residual networks.

    As in the paper the networks have no norm, Fixup's initial weights and two blocks at each side. The
    paper's blocks are wider bottlenecks of grouped convolutions, its resampling is bilinear, its first and
    last layers are learned 4x4 bases, and its program lowers gamma to a tenth and the rates to a quarter
    over 20 million images: the length of preset ``paper``, 400 epochs. Gradients of R1 and R2 come from
    the forward pass of the loss itself, in one further pass.
    """

    name = "r3gan"
    title = "R3GAN: relativistic loss, R1 and R2"
    source = "Huang, Gokaslan, Kuleshov, Tompkin 2024, arXiv 2501.05441"
    Hyperparameters = R3ganHyperparameters
    hyperparameters: R3ganHyperparameters
    presets = {
        "quick": QUICK.with_values(
            filters=8, lr_g=1e-3, lr_d=1e-3, r1_gamma=0.5, r2_gamma=0.5, residual_blocks=1
        ),
        "points": POINTS.with_values(lr_g=2e-3, lr_d=4e-3, r1_gamma=0.02, r2_gamma=0.02),
        "paper": Preset({}, Training(dataset="cifar10", image_size=32, batch_size=512, epochs=400)),
    }

    def build_decoder(self, width: int) -> Decoder:
        """Build layers from latents (B, width) to samples; images are not bounded."""
        if len(self.sample_shape) == 1:
            return super().build_decoder(width)
        channels, size, _ = self.sample_shape
        knobs = self.hyperparameters
        return residual_decoder(channels, size, knobs.filters, width, knobs.residual_blocks)

    def build_trunk(self, further_channels: int = 0, packed: int = 1) -> Trunk:
        """Build layers from `packed` samples to flat features."""
        if len(self.sample_shape) == 1:
            return super().build_trunk(further_channels, packed)
        channels, size, _ = self.sample_shape
        knobs = self.hyperparameters
        return residual_trunk(
            packed * (channels + further_channels), size, knobs.filters, knobs.residual_blocks
        )

    def initialise_weights(self) -> None:
        """Draw initial weights: those of Fixup for images, and of the family for points."""
        if len(self.sample_shape) == 1:
            super().initialise_weights()
        else:
            initialise_residual_network(self.generator)
            initialise_residual_network(self.discriminator)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D without penalties, E[s(-(d(x) - d(G(z))))] over pairs of a real and a fake sample."""
        score_real, score_fake = self.scores(real, fake, batch)
        return softplus(score_fake - score_real).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = E[s(-(d(G(z)) - d(x)))]."""
        score_real, score_fake = self.scores(batch.real, fake, batch)
        return softplus(score_real - score_fake).mean()
