"""VEEGAN: a reconstructor network maps samples back to their latents, also those of real samples."""

import torch
from torch import Tensor

from variants.base import Batch
from variants.families.inference import JointInference
from variants.families.two_player import POINTS, QUICK, Loss, TwoPlayerHyperparameters
from variants.knobs import LARGEST, Search, knob
from variants.modules.encoders import EncoderKind
from variants.modules.losses import cross_entropy
from variants.parts.augmentation import Augmentation
from variants.parts.penalties import SamplePenalties
from variants.parts.spectral_norm import SpectralNorm
from variants.presets import Preset, Training
from variants.registry import register
from variants.scalars import Panel, TrainingScalar


class VeeganHyperparameters(TwoPlayerHyperparameters, SamplePenalties, SpectralNorm, Augmentation):
    """Hyperparameters of VEEGAN."""

    beta1: float = 0.5
    reconstruction_weight: float = knob(
        1.0,
        "weight of |z - F(G(z))|^2; 1 in algorithm 1",
        above=0,
        high=LARGEST,
        search=Search(0.01, 10.0, "log"),
    )


@register
class Veegan(JointInference):
    """VEEGAN (Srivastava et al. 2017, algorithm 1); d is the squared Euclidean distance of latents.

    D estimates log q(z, G(z)) / p(F(x), x): unlike in a usual GAN its score is high for generated pairs.
    """

    name = "veegan"
    title = "VEEGAN: latents reconstructed from samples"
    source = "Srivastava, Valkov, Russell, Gutmann, Sutton 2017, arXiv 1705.07761"
    Hyperparameters = VeeganHyperparameters
    hyperparameters: VeeganHyperparameters
    scalars = (
        *JointInference.scalars,
        TrainingScalar(
            "latent_error", "|z - F(G(z))|^2", better="lower", panel=Panel("error of latents", "log")
        ),
    )
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=1e-3, reconstruction_weight=0.1),
        "paper": Preset({}, Training(dataset="celeba", image_size=64, batch_size=64, epochs=25)),
    }

    @property
    def encoder_kind(self) -> EncoderKind:
        """F(x) is a function: the distance d makes it the mean of a Gaussian of constant variance."""
        return "deterministic"

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_D = E[softplus(-D(z, G(z)))] + E[softplus(D(F(x), x))]; line 7."""
        with torch.no_grad():
            code = self.in_range(self.encoder(real).mean)
        score_real, score_fake = self.scores(real, fake, batch, code, latent)
        return cross_entropy(score_fake, score_real)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return E[D(z, G(z))] + E[|z - F(G(z))|^2]: the loss of G, and of F, which only the second has.

        Lines 9 and 11.
        """
        error = (latent - self.in_range(self.encoder(fake).mean)).square().sum(1).mean()
        score = self.fake_scores(fake, batch, latent).mean()
        return score + self.hyperparameters.reconstruction_weight * error, {"latent_error": error}
