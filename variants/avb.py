"""Adversarial variational Bayes: a variational autoencoder whose q(z|x) is a sampler without a density."""

import torch
from torch import Tensor

from variants.base import Batch
from variants.families.inference import JointInference
from variants.families.two_player import POINTS, QUICK, Loss, TwoPlayerHyperparameters
from variants.knobs import LARGEST, Search, knob
from variants.modules.encoders import NoiseBasisEncoder
from variants.modules.losses import cross_entropy
from variants.noise import Noise
from variants.parts.spectral_norm import SpectralNorm
from variants.presets import Preset, Training
from variants.registry import register
from variants.scalars import Panel, TrainingScalar


class AvbHyperparameters(TwoPlayerHyperparameters, SpectralNorm):
    """Hyperparameters of AVB; the defaults are those of the authors' program for CelebA."""

    lr_g: float = 1e-5
    lr_d: float = 1e-4
    beta1: float = 0.5
    decoder_deviation: float = knob(
        0.3,
        "standard deviation of p(x|z), a Gaussian around G(z); in units of samples in [-1, 1]",
        above=0,
        high=LARGEST,
        search=Search(0.01, 1.0, "log"),
    )
    adaptive_contrast: bool = knob(
        False, "T tells the normalised code from N(0, I) instead of the code from the prior (algorithm 2)"
    )
    noise_functions: int = knob(
        16, "functions of noise that the encoder adds up", unit="functions", low=1, high=1_000_000
    )


@register
class Avb(JointInference):
    """AVB (Mescheder, Nowozin, Geiger 2017, algorithms 1 and 2).

    T(x, z), D's score, estimates log q(z|x) - log p(z). With `adaptive_contrast`, it estimates the log ratio
    of q(z|x) to r(z|x), the Gaussian of the same mean and variance, and that of r to p(z) is computed.
    """

    name = "avb"
    title = "AVB: adversarial variational autoencoder"
    source = "Mescheder, Nowozin, Geiger 2017, arXiv 1701.04722"
    Hyperparameters = AvbHyperparameters
    hyperparameters: AvbHyperparameters
    encoder: NoiseBasisEncoder
    generates = False
    scalars = (
        *JointInference.scalars,
        TrainingScalar("kl_divergence", "estimate of KL(q(z|x), p(z))", panel=Panel("KL, nats")),
        TrainingScalar(
            "squared_error", "mean of (x - G(E(x)))^2", better="lower", panel=Panel("squared error", "log")
        ),
    )
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=1e-3),
        "points": POINTS.with_values(lr_g=1e-3, lr_d=2e-3, decoder_deviation=0.1),
        "paper": Preset({}, Training(dataset="celeba", image_size=64, batch_size=64, steps=2_500_000)),
    }

    def build_further_networks(self) -> None:
        """Build the encoder."""
        if self.hyperparameters.adaptive_contrast and self.hyperparameters.prior != "normal":
            raise ValueError("adaptive_contrast needs prior 'normal', whose density it compares with r(z|x)")
        functions = self.hyperparameters.noise_functions
        self.encoder = NoiseBasisEncoder(self.build_trunk(), self.latent_width, functions)

    def draw(self, real: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Draw codes of samples; return them, as T sees them, and log r(z|x) - log p(z), or 0 without r."""
        posterior = self.encoder(real)
        code = self.in_range(self.encoder.draw(posterior, noise, "code"))
        if not self.hyperparameters.adaptive_contrast:
            return code, code, code.new_zeros(())
        with torch.no_grad():
            mean, variance = self.encoder.moments(posterior)
        normalised = (code - mean) / (variance + 1e-4).sqrt()
        log_ratio = 0.5 * (code.square() - normalised.square() - (variance + 1e-4).log()).sum(1)
        return code, normalised, log_ratio

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[softplus(-T(x, E(x, eps)))] + E[softplus(T(x, z))]; equation 3.3."""
        with torch.no_grad():
            _, seen, _ = self.draw(real, batch.noise)
        return cross_entropy(*self.scores(real, real, batch, seen, latent))

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return E[T(x, E(x, eps)) - log p(x|E(x, eps))], the loss of G and E."""
        code, seen, log_ratio = self.draw(batch.real, batch.noise)
        divergence = (self.fake_scores(batch.real, batch, seen) + log_ratio).mean()
        squares = (batch.real - self.generator(code)).flatten(1).square()
        error = 0.5 * squares.sum(1).mean() / self.hyperparameters.decoder_deviation**2
        return divergence + error, {"kl_divergence": divergence, "squared_error": squares.mean()}

    def encode(self, samples: Tensor) -> Tensor | None:
        """Return the mean codes of samples: latents of the generator."""
        mean, _ = self.encoder.moments(self.encoder(samples))
        return self.in_range(mean)
