"""BEGAN v3: BEGAN-CS with a variational autoencoder as discriminator."""

from typing import Literal

import torch
from torch import Tensor

from variants.families.boundary_equilibrium import (
    POINTS,
    QUICK,
    SMALL,
    BoundaryEquilibrium,
    BoundaryEquilibriumHyperparameters,
    Regularisers,
)
from variants.families.boundary_equilibrium_scalars import CONSTRAINT
from variants.knobs import LARGEST, Search, knob
from variants.modules.architectures import build_networks
from variants.modules.autoencoders import Encoding, VariationalAutoEncoder
from variants.modules.networks import leaky_relu
from variants.noise import Noise
from variants.presets import Preset, Training
from variants.registry import register


class BeganV3Hyperparameters(BoundaryEquilibriumHyperparameters):
    """Hyperparameters of BEGAN v3, among them choices that the paper leaves open."""

    update: Literal["simultaneous", "alternating"] = knob(
        "alternating",
        "both networks from one forward pass, or D and then G against the new D "
        "(the paper does not specify this; the BEGAN-CS program, its likely origin, alternates)",
    )
    alpha: float = knob(
        0.1, "weight of the constraint loss L_c in L_D", low=0, high=LARGEST, search=Search(0.01, 1.0, "log")
    )
    kl_over: Literal["mean", "sum"] = knob(
        "mean",
        "KL averaged or summed over latent dimensions; the sum is the divergence of independent dimensions, "
        "and weighs latent_dim times as much beside a loss that is a mean over pixels",
    )
    kl_weight: float = knob(
        1.0,
        "factor of both KL terms; equation 21 has none (1), the presets quick and stacked have 0.02, points "
        "0.002",
        low=0,
        high=LARGEST,
        search=Search(1e-3, 1.0, "log"),
    )
    kl_fake_limit: float = knob(
        10.0,
        "mean KL(G(z)) of a batch or micro-batch is clamped at this value; the gradient vanishes above it: "
        "-k KL(G(z)) has no lower bound",
        unit="nats",
        above=0,
        high=LARGEST,
    )
    constraint_code: Literal["mean", "decoded"] = knob(
        "mean", "Enc(G(z)) in L_c: mu, or the code that D's decoder gets"
    )
    fake_code: Literal["sample", "mean"] = knob(
        "sample", "the code from which D reconstructs G(z), in both networks' losses"
    )
    layers: Literal["published", "table3", "strided", "points"] = knob(
        "published",
        "BEGAN-CS's architecture with Leaky ReLU and two heads, one with the parameter count of the paper's "
        "Table 3 (a conjecture), a small DCGAN-like one for quick runs, or linear layers for points",
    )

    def caveat(self) -> str:
        """Return the weight of the variational term if it differs from equation 21."""
        averaged = self.kl_over == "mean" and self.latent_dim > 1
        if self.kl_weight == 1 and not averaged:
            return ""
        sentence = f"the variational term of L_D has the weight kl_weight {self.kl_weight:g}"
        if averaged:
            sentence += (
                f" on a KL averaged over {self.latent_dim} latent dimensions, "
                f"{self.kl_weight / self.latent_dim:.2g} of their sum"
            )
        return f"{sentence}; in equation 21 of the paper it has the weight 1 and no average."


@register
class BeganV3(BoundaryEquilibrium):
    """BEGAN v3 (Park, Huh, Kim 2020, Electronics 9, 688, equations 20 and 21).

        L_R = KL(q(z|x) || N(0, I)) - k KL(q(z|G(z)) || N(0, I))
        L_D = ((L(x) - k L(G(z))) + L_R) / 2 + alpha L_c

    Glorot uniform weights, zero biases. The gradients of the constraint loss L_c and of KL(q(z|G(z))) reach
    D's encoder only. The sign in the update of k is that of Berthelot et al.; equation 8 of the v3 paper has
    the opposite sign, which is a positive feedback.

    The equations neither weight the KL nor average it over dimensions, and the paper does not specify how L
    is scaled: `kl_weight` and `kl_over` are additions here. The weight of the KL is 1/800 of that of a summed
    KL in presets ``quick`` and ``stacked`` and 1/1000 in ``points``, so their results say little about the
    variational term.
    """

    name = "began-v3"
    short_name = "v3"
    title = "BEGAN v3: variational discriminator"
    source = "Park, Huh, Kim 2020, Electronics 9, 688"
    Hyperparameters = BeganV3Hyperparameters
    hyperparameters: BeganV3Hyperparameters
    reconstruction_weight = 0.5
    regularises_fake = True
    scalars = (*BoundaryEquilibrium.scalars, CONSTRAINT)
    presets = {
        "quick": QUICK.with_values(kl_weight=0.02),
        "points": POINTS.with_values(kl_weight=2e-3, alpha=0.01),
        "small": SMALL,
        "paper": Preset(training=Training(dataset="celeba", image_size=64, batch_size=128, epochs=300)),
    }

    def build_networks(self) -> None:
        """Build generator and discriminator."""
        self.discriminator, self.generator = build_networks(
            self.hyperparameters,
            self.sample_shape,
            VariationalAutoEncoder,
            published="constrained",
            activation=leaky_relu,
        )

    def code(self, encoding: Encoding, noise: Noise, fake: bool) -> Tensor:
        """Draw mu + sigma epsilon; return mu for fake samples with `fake_code` ``mean``."""
        assert encoding.log_variance is not None
        if fake and self.hyperparameters.fake_code == "mean":
            return encoding.mean
        epsilon = noise.normal("code of fake" if fake else "code of real", tuple(encoding.mean.shape))
        return encoding.mean + (0.5 * encoding.log_variance).exp() * epsilon

    def divergence(self, encoding: Encoding) -> Tensor:
        """Return KL(N(mu, sigma^2) || N(0, I)) in nats, averaged over the batch.

        Averaged or summed over latent dimensions, as `kl_over` says.
        """
        mean, log_variance = encoding
        assert log_variance is not None
        terms = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
        return terms.mean() if self.hyperparameters.kl_over == "mean" else terms.sum(1).mean()

    def regularise(self, latent: Tensor, real: Encoding, fake: Encoding, fake_code: Tensor) -> Regularisers:
        """Return the terms of L_R / 2 + alpha L_c of the real and of the fake samples."""
        kl_real, kl_fake = self.divergence(real), self.divergence(fake)
        encoded = fake.mean if self.hyperparameters.constraint_code == "mean" else fake_code
        constraint = (latent - encoded).abs().mean()
        weight = 0.5 * self.hyperparameters.kl_weight
        bounded = torch.clamp(kl_fake, max=self.hyperparameters.kl_fake_limit)
        return Regularisers(
            weight * kl_real,
            self.hyperparameters.alpha * constraint - weight * self.k * bounded,
            {"loss_constraint": constraint, "kl_real": kl_real, "kl_fake": kl_fake},
        )
