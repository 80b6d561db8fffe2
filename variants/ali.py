"""ALI, the same as BiGAN: the discriminator sees pairs of a sample and a latent."""

from typing import Literal

import torch
from torch import Tensor

from variants.base import Batch
from variants.families.inference import JointInference
from variants.families.two_player import POINTS, QUICK, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.modules.encoders import EncoderKind
from variants.modules.losses import cross_entropy
from variants.parts.augmentation import Augmentation
from variants.parts.label_smoothing import LabelSmoothing
from variants.parts.penalties import SamplePenalties
from variants.parts.spectral_norm import SpectralNorm
from variants.presets import Preset, Training
from variants.registry import register


class AliHyperparameters(
    TwoPlayerHyperparameters, LabelSmoothing, SamplePenalties, SpectralNorm, Augmentation
):
    """Hyperparameters of ALI; rates and beta1 are those of Dumoulin et al., appendix A."""

    latent_dim: int = 256
    beta1: float = 0.5
    encoder: Literal["gaussian", "deterministic"] = knob(
        "gaussian", "E(x) is drawn from N(mu(x), sigma(x)^2) as in ALI, or a function of x as in BiGAN"
    )


@register
class Ali(JointInference):
    """ALI (Dumoulin et al. 2017, equation 3) and BiGAN (Donahue et al. 2017, equation 3).

    D tells (x, E(x)) from (G(z), z); G and E minimise D's loss with the labels exchanged (ALI, algorithm 1).
    """

    name = "ali"
    title = "ALI (BiGAN): D of samples with latents"
    source = "Dumoulin et al. 2017, arXiv 1606.00704; Donahue, Kraehenbuehl, Darrell 2017, arXiv 1605.09782"
    Hyperparameters = AliHyperparameters
    hyperparameters: AliHyperparameters
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=4e-3),
        "paper": Preset({}, Training(dataset="celeba", image_size=64, batch_size=100, epochs=123)),
    }

    @property
    def encoder_kind(self) -> EncoderKind:
        """Gaussian in ALI, deterministic in BiGAN."""
        return self.hyperparameters.encoder

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_D = E[softplus(-D(x, E(x)))] + E[softplus(D(G(z), z))]."""
        with torch.no_grad():
            code = self.draw_code(self.encoder(real), batch.noise, "code")
        scores = self.scores(real, fake, batch, code, latent)
        return cross_entropy(*scores, smoothing=self.hyperparameters.label_smoothing)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        """Return L_GE = E[softplus(D(x, E(x)))] + E[softplus(-D(G(z), z))]."""
        code = self.draw_code(self.encoder(batch.real), batch.noise, "code")
        score_real, score_fake = self.scores(batch.real, fake, batch, code, latent)
        return cross_entropy(score_fake, score_real)
