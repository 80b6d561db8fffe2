"""EBGAN: an autoencoder as discriminator, and a term that needs the whole batch."""

from torch import Tensor
from torch.nn.functional import normalize, relu

from variants.base import Batch
from variants.families.two_player import Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.modules.autoencoders import AutoEncoder


class EbganHyperparameters(TwoPlayerHyperparameters):
    """The margin is in units of the mean squared error of samples in [-1, 1]."""

    margin: float = knob(1.0, "energy up to which fake samples are pushed", above=0, high=10)


class Ebgan(TwoPlayer):
    """Zhao, Mathieu, LeCun 2017, EBGAN-PT: equations 1 and 2, and 4 with weight 0.1."""

    name, title, source = "ebgan", "EBGAN", "arXiv 1609.03126"
    Hyperparameters = EbganHyperparameters

    def build_discriminator(self) -> AutoEncoder:
        width = self.hyperparameters.latent_dim
        return AutoEncoder(self.build_trunk(), width, self.build_decoder(width))

    def energy(self, samples: Tensor) -> Tensor:
        return (self.discriminator(samples) - samples).flatten(1).square().mean(1)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        return (self.energy(real) + relu(self.hyperparameters.margin - self.energy(fake))).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        code = normalize(self.discriminator.encode(fake).mean)
        cosines = (code @ code.T).square()
        pulling_away = (cosines.sum() - cosines.trace()) / (len(code) * (len(code) - 1))
        return self.energy(fake).mean() + 0.1 * pulling_away, {"pulling_away": pulling_away}

    def indivisible(self) -> str:
        return "the pulling-away term compares all samples of a batch"
