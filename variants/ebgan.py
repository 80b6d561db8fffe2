"""EBGAN: the discriminator is an autoencoder, and its reconstruction error an energy with a margin."""

from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from variants.base import Batch
from variants.families.two_player import POINTS, QUICK, Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.knobs import LARGEST, Search, knob
from variants.modules.autoencoders import AutoEncoder
from variants.modules.losses import EnergyNorm, energies
from variants.parts.augmentation import Augmentation
from variants.presets import Preset, Training
from variants.registry import register
from variants.scalars import Panel, TrainingScalar


class EbganHyperparameters(TwoPlayerHyperparameters, Augmentation):
    """Hyperparameters of EBGAN.

    The paper's margins are 10 on MNIST and, by public re-implementations, 20 on CelebA at 64 px: energies of
    the norm `euclidean`. An `l2` margin m' is a `euclidean` one of sqrt(m' times the values of a sample).
    """

    latent_dim: int = 100
    lr_g: float = 1e-3
    lr_d: float = 1e-3
    beta1: float = 0.5
    norm: EnergyNorm = knob(
        "euclidean",
        "energy of a sample: Euclidean length of its residual D(v) - v, as in equation 4 of the paper, or "
        "mean absolute (l1) or mean squared (l2) error",
    )
    margin: float = knob(
        20.0,
        "energy up to which fake samples are pushed, in the unit of `norm`; `euclidean` energies grow as the "
        "root of the number of pixels does",
        above=0,
        high=LARGEST,
        search=Search(0.01, 100.0, "log"),
    )
    pulling_away_weight: float = knob(
        0.1,
        "weight of the pulling-away term; 0 for none",
        low=0,
        high=LARGEST,
        search=Search(0.01, 1.0, "log"),
    )


def pulling_away(codes: Tensor) -> Tensor:
    """Return the mean squared cosine of the pairs of codes (B, width); equation 5 of the paper."""
    directions = normalize(codes)
    cosines = (directions @ directions.T).square()
    count = len(codes)
    return (cosines.sum() - cosines.trace()) / max(1, count * (count - 1))


@register
class Ebgan(TwoPlayer):
    """EBGAN (Zhao, Mathieu, LeCun 2017, equations 1, 2 and 4), with the pulling-away term of EBGAN-PT."""

    name = "ebgan"
    title = "EBGAN: autoencoder with a margin"
    source = "Zhao, Mathieu, LeCun 2017, arXiv 1609.03126"
    Hyperparameters = EbganHyperparameters
    hyperparameters: EbganHyperparameters
    scalars = (
        *TwoPlayer.scalars,
        TrainingScalar("energy_real", "L(x)", better="lower", panel=Panel("energy")),
        TrainingScalar("energy_fake", "L(G(z))", panel=Panel("energy")),
        TrainingScalar("pulling_away", "pulling-away term", better="lower", panel=Panel("pulling-away term")),
    )
    presets = {
        "quick": QUICK.with_values(norm="l2", margin=0.2, lr_g=1e-3, lr_d=1e-3),
        "points": POINTS.with_values(norm="l2", margin=0.02, lr_g=3e-3, lr_d=3e-3),
        "paper": Preset({}, Training(dataset="celeba", image_size=64, batch_size=128, epochs=25)),
    }
    discriminator: AutoEncoder

    def build_discriminator(self) -> nn.Module:
        """Build an autoencoder of samples."""
        width = self.hyperparameters.latent_dim
        return AutoEncoder(self.build_trunk(), width, self.build_decoder(width))

    def score(self, samples: Tensor, companions: Tensor | None = None) -> Tensor:
        """Return the energy L(v) of each sample (B,)."""
        return energies(self.discriminator(samples) - samples, self.hyperparameters.norm)

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[L(x) + relu(m - L(G(z)))]; equation 1."""
        energy_real, energy_fake = self.scores(real, fake, batch)
        loss = (energy_real + relu(self.hyperparameters.margin - energy_fake)).mean()
        return loss, {"energy_real": energy_real.mean(), "energy_fake": energy_fake.mean()}

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = E[L(G(z))] + weight PT, PT of the codes of the fake samples; equations 2 and 5."""
        seen, _ = self.as_seen(fake, batch)
        code = self.discriminator.encode(seen).mean
        energy = energies(self.discriminator.decoder(code) - seen, self.hyperparameters.norm).mean()
        term = pulling_away(code)
        return energy + self.hyperparameters.pulling_away_weight * term, {"pulling_away": term}

    def indivisible(self) -> str:
        """Return that the pulling-away term compares all samples of a batch, if it has a weight."""
        return (
            "the pulling-away term compares all samples" if self.hyperparameters.pulling_away_weight else ""
        )

    def encode(self, samples: Tensor) -> Tensor | None:
        """Return D's codes of samples."""
        return self.discriminator.encode(samples).mean

    def decode(self, code: Tensor) -> Tensor | None:
        """Return D's samples of codes."""
        sample: Tensor = self.discriminator.decoder(code)
        return sample
