"""Conditional GAN: generator and discriminator are given the class of a sample."""

from torch import Tensor

from variants.base import Batch
from variants.families.two_player import POINTS, QUICK, TwoPlayer, TwoPlayerHyperparameters
from variants.modules.losses import cross_entropy, non_saturating
from variants.parts.groups import ScoreParts
from variants.parts.label_smoothing import LabelSmoothing
from variants.presets import Preset, Training
from variants.registry import register


class CganHyperparameters(TwoPlayerHyperparameters, ScoreParts, LabelSmoothing):
    """Hyperparameters of CGAN; the defaults are DCGAN's, whose layers it has here."""

    latent_dim: int = 100
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5


@register
class Cgan(TwoPlayer):
    """CGAN (Mirza, Osindero 2014, arXiv 1411.1784, equation 2), with the non-saturating loss of G.

    A latent is [z, one-hot(y)]. D sees y as further channels of an image, or further coordinates of a point.
    The classes of fake samples are uniform. The networks are DCGAN's, in place of the paper's maxout layers.
    """

    name = "cgan"
    title = "CGAN: samples of a given class"
    source = "Mirza, Osindero 2014, arXiv 1411.1784"
    Hyperparameters = CganHyperparameters
    hyperparameters: CganHyperparameters
    conditional = True
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=1e-3),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=1e-3),
        # CelebA has no classes
        "small": Preset({"filters": 32}, Training(dataset="cifar10", image_size=32)),
        # data, size, batch and prior of section 4.1; the paper states no length
        "paper": Preset(
            {"prior": "uniform"}, Training(dataset="mnist", image_size=28, batch_size=100, epochs=100)
        ),
    }

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_D = -E[log D(x, y)] - E[log(1 - D(G(z, y), y))]."""
        assert batch.labels is not None
        classes = self.one_hot(batch.labels), self.classes_of(latent)
        return cross_entropy(*self.scores(real, fake, batch, *classes), self.hyperparameters.label_smoothing)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_G = -E[log D(G(z, y), y)]."""
        return non_saturating(self.fake_scores(fake, batch, self.classes_of(latent)))

    def classes_of(self, latent: Tensor) -> Tensor:
        """Return the one-hot classes (B, classes) of latents."""
        return latent[:, -self.classes :]
