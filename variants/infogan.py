"""InfoGAN: codes of the latent that can be told from the samples."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from variants.base import Batch, Scalars
from variants.families.two_player import (
    POINTS,
    QUICK,
    Discriminator,
    DiscriminatorNorm,
    Loss,
    TwoPlayer,
    TwoPlayerHyperparameters,
)
from variants.knobs import LARGEST, Search, knob
from variants.latent_codes import LatentCode
from variants.modules.autoencoders import LOG_VARIANCE_LIMIT, in_float32
from variants.modules.losses import cross_entropy, non_saturating
from variants.noise import Noise
from variants.parts.label_smoothing import LabelSmoothing
from variants.presets import Preset, Training
from variants.registry import register
from variants.scalars import Panel, TrainingScalar

CODES = Panel("losses of the codes")


class InfoganHyperparameters(TwoPlayerHyperparameters, LabelSmoothing, DiscriminatorNorm):
    """Hyperparameters of InfoGAN; the defaults are those of the paper for MNIST (appendix C.1)."""

    latent_dim: int = 62
    lr_g: float = 1e-3
    lr_d: float = 2e-4
    beta1: float = 0.5
    discriminator_norm: Literal["batch", "none"] = "batch"
    categorical_codes: int = knob(1, "number of categorical codes", low=0, high=100)
    categories: int = knob(10, "values of each categorical code", low=2, high=100_000)
    continuous_codes: int = knob(2, "number of codes from U[-1, 1]", low=0, high=100)
    categorical_weight: float = knob(
        1.0, "weight of the categorical codes' loss", low=0, high=LARGEST, search=Search(0.1, 3.0, "log")
    )
    continuous_weight: float = knob(
        0.1, "weight of the continuous codes' loss", low=0, high=LARGEST, search=Search(0.01, 1.0, "log")
    )
    trains_trunk: bool = knob(
        True, "whether L_D has the codes' losses too, for the trunk that Q shares, as in the authors' program"
    )


@register
class Infogan(TwoPlayer):
    """InfoGAN (Chen et al. 2016, arXiv 1606.03657, equation 6) with DCGAN's layers and losses.

    A latent is [z, categorical codes, continuous codes]. Q is a linear layer on the features of D's trunk,
    trained with G. Q guesses the codes but not z, so that no sample can be decoded: there is no encoder.
    """

    name = "infogan"
    title = "InfoGAN: codes that samples reveal"
    source = "Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel 2016, arXiv 1606.03657"
    Hyperparameters = InfoganHyperparameters
    hyperparameters: InfoganHyperparameters
    discriminator: Discriminator
    weight_deviation = 0.02
    trained_with_generator = ("guess",)
    scalars = (
        *TwoPlayer.scalars,
        TrainingScalar("categorical_loss", "cross-entropy of the categorical codes", "lower", CODES),
        TrainingScalar("continuous_loss", "negative log-likelihood of the continuous codes", "lower", CODES),
    )
    presets = {
        "quick": QUICK.with_values(lr_g=5e-4, lr_d=5e-4),
        # a continuous code would show only where points leave their modes
        "points": POINTS.with_values(
            lr_g=1e-3, lr_d=1e-3, discriminator_norm="none", categories=8, continuous_codes=0
        ),
        # appendix C.1; the length is that of the authors' program
        "paper": Preset(
            {"prior": "uniform"}, Training(dataset="mnist", image_size=28, batch_size=128, steps=5000)
        ),
    }

    @property
    def latent_width(self) -> int:
        """Size of a latent: that of z and of all codes."""
        return super().latent_width + sum(code.width for code in self.latent_codes())

    def latent_codes(self) -> tuple[LatentCode, ...]:
        """Return the codes: category-1, ..., continuous-1, ..."""
        own = self.hyperparameters
        start = own.latent_dim
        codes = []
        for number in range(1, own.categorical_codes + 1):
            codes.append(LatentCode(f"category-{number}", "categorical", start, own.categories))
            start += own.categories
        for number in range(1, own.continuous_codes + 1):
            codes.append(LatentCode(f"continuous-{number}", "continuous", start + number - 1))
        return tuple(codes)

    def build_further_networks(self) -> None:
        """Build Q's layer: logits of the categories, then means and log variances of the continuous codes."""
        if not self.latent_codes():
            raise ValueError("categorical_codes and continuous_codes are 0: InfoGAN needs a code")
        own = self.hyperparameters
        self.sizes = (own.categorical_codes * own.categories, own.continuous_codes, own.continuous_codes)
        self.guess = nn.Linear(self.discriminator.trunk.features, sum(self.sizes))

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        """Draw [z, one-hot categories, continuous codes from U[-1, 1]], float32 (count, latent_width)."""
        own, parts = self.hyperparameters, [super().draw_latent(noise, count, purpose)]
        for code in self.latent_codes():
            if code.kind == "categorical":
                drawn = noise.integers(f"{purpose}: {code.name}", (count,), code.width)
                parts.append(one_hot(drawn, code.width).float())
        if own.continuous_codes:
            parts.append(noise.uniform(f"{purpose}: codes", (count, own.continuous_codes), -1.0, 1.0))
        return torch.cat(parts, dim=1)

    def code_losses(self, features: Tensor, latent: Tensor) -> tuple[Tensor, Scalars]:
        """Return -E[log Q(c given x)], weighted and without the Gaussians' constant, and its two terms."""
        own, categories = self.hyperparameters, self.sizes[0]
        logits, mean, log_variance = in_float32(self.guess(features)).split(self.sizes, dim=1)
        codes = latent[:, own.latent_dim :]
        log_shares = logits.unflatten(1, (own.categorical_codes, own.categories)).log_softmax(dim=2)
        categorical = -(log_shares.flatten(1) * codes[:, :categories]).sum(dim=1).mean()
        log_variance = log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        squares = (codes[:, categories:] - mean).square() * (-log_variance).exp()
        continuous = 0.5 * (log_variance + squares).sum(dim=1).mean()
        total = own.categorical_weight * categorical + own.continuous_weight * continuous
        return total, {"categorical_loss": categorical, "continuous_loss": continuous}

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = -E[log D(x)] - E[log(1 - D(G(z, c)))], and the codes' losses for the trunk."""
        own, discriminator = self.hyperparameters, self.discriminator
        features = discriminator.trunk(fake)
        scores = discriminator(real), discriminator.score_features(features)
        loss = cross_entropy(*scores, own.label_smoothing)
        return loss + self.code_losses(features, latent)[0] if own.trains_trunk else loss

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = -E[log D(G(z, c))] and the codes' losses."""
        features = self.discriminator.trunk(fake)
        total, scalars = self.code_losses(features, latent)
        return non_saturating(self.discriminator.score_features(features)) + total, scalars
