"""ProGAN: generator and discriminator grow together, from images of 4 pixels to whole ones."""

from torch import Tensor

from variants.base import Batch
from variants.families.critics import WassersteinCritic
from variants.families.two_player import Loss, TwoPlayerHyperparameters
from variants.knobs import LARGEST, knob
from variants.modules.growing import GrowingDiscriminator, GrowingGenerator
from variants.parts.batch_statistics import BatchDeviation, MinibatchDeviation
from variants.parts.penalties import GradientPenalty
from variants.presets import Preset, Training
from variants.registry import register


class ProganHyperparameters(TwoPlayerHyperparameters, GradientPenalty, BatchDeviation):
    """Hyperparameters of ProGAN; the defaults are those of the paper (appendix A.1)."""

    filters: int = 16
    latent_dim: int = 512
    lr_g: float = 1e-3
    lr_d: float = 1e-3
    beta1: float = 0.0
    beta2: float = 0.99
    penalty_weight: float = 10.0
    minibatch_deviation: bool = True
    drift: float = knob(1e-3, "weight of E[D(x)^2], which keeps scores near zero", low=0, high=LARGEST)
    grown_at: float = knob(
        0.8, "part of the training after which the last block has all of its weight", above=0, high=1
    )


@register
class Progan(WassersteinCritic):
    """ProGAN (Karras, Aila, Laine, Lehtinen 2018, arXiv 1710.10196): WGAN-GP with growing networks.

    The networks have equalised learning rates, G has pixel norm, D minibatch standard deviation. Growth
    follows the progress of training: each side trains for one span of time, then the next block fades in for
    another. The presets judge the moving average of G's weights.
    """

    name = "progan"
    title = "ProGAN: progressive growing"
    source = "Karras, Aila, Laine, Lehtinen 2018, arXiv 1710.10196"
    Hyperparameters = ProganHyperparameters
    hyperparameters: ProganHyperparameters
    generator: GrowingGenerator
    discriminator: GrowingDiscriminator
    sample_kinds = ("images",)
    weight_deviation = 1.0
    presets = {
        "quick": Preset(
            {"filters": 8, "latent_dim": 64, "grown_at": 0.5},
            Training(steps=3000, batch_size=32, ema_decay=0.99),
        ),
        # section 6.1 and the authors' program: 10 million images, each side and each fade for 800,000
        "paper": Preset(
            {}, Training(dataset="celeba", image_size=128, batch_size=16, steps=625_000, ema_decay=0.999)
        ),
    }

    def build_generator(self) -> GrowingGenerator:
        """Build the growing generator."""
        if len(self.sample_shape) == 1:
            raise ValueError(f"samples of shape {self.sample_shape} are points: only images can grow")
        channels, size, _ = self.sample_shape
        return GrowingGenerator(channels, size, self.hyperparameters.filters, self.latent_width)

    def build_discriminator(self) -> GrowingDiscriminator:
        """Build the growing critic."""
        channels, size, _ = self.sample_shape
        filters = self.hyperparameters.filters
        if not self.hyperparameters.minibatch_deviation:
            return GrowingDiscriminator(channels, size, filters)
        statistics = MinibatchDeviation()
        return GrowingDiscriminator(channels, size, filters, statistics, statistics.appended)

    def begin_step(self) -> None:
        """Grow both networks with the progress of training."""
        for network in (self.generator, self.discriminator):
            network.growth.follow(self.progress / self.hyperparameters.grown_at)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[D(G(z))] - E[D(x)] + drift E[D(x)^2], without the gradient penalty of the part.

        The samples have the side that the networks have now, and so has the penalty's gradient.
        """
        discriminator = self.discriminator
        real, fake = discriminator.faded(real), discriminator.reduced(fake)
        score_real, score_fake = self.scores(real, fake, batch)
        distance = score_real.mean() - score_fake.mean()
        drift = self.hyperparameters.drift * score_real.square().mean()
        return drift - distance, {"wasserstein": distance}
