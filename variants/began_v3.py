"""BEGAN v3: BEGAN-CS whose discriminator is a variational autoencoder."""

from typing import Literal

import torch
from torch import Tensor

from variants.base import STACKED
from variants.families.boundary_equilibrium import (
    POINTS_QUICK,
    QUICK,
    BoundaryEquilibrium,
    BoundaryEquilibriumHyperparameters,
    Regularisers,
)
from variants.knobs import LARGEST, Search, knob
from variants.modules.architectures import arrange, start
from variants.modules.autoencoders import Encoding, VariationalAutoEncoder
from variants.modules.networks import leaky_relu
from variants.noise import Noise
from variants.registry import register


class BeganV3Hyperparameters(BoundaryEquilibriumHyperparameters):
    """Knobs of BEGAN v3. What the paper leaves open is an option here."""

    update: Literal["simultaneous", "alternating"] = knob(
        "alternating",
        "both networks from one forward pass, or D and then G against the new D "
        "(the paper does not say; BEGAN-CS's program, its likely parent, alternates)",
    )
    alpha: float = knob(
        0.1, "weight of the constraint loss L_c in L_D", low=0, high=LARGEST, search=Search(0.01, 1.0, "log")
    )
    kl_over: Literal["mean", "sum"] = knob(
        "mean",
        "KL averaged over latent dimensions, or summed, as the divergence of independent dimensions is; the "
        "sum weighs latent_dim times as much beside a loss that is a mean per pixel",
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
        "mean KL(G(z)) of a batch, or of each of its parts, above this pulls no more: -k KL(G(z)) has no "
        "lower bound",
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
        "BEGAN-CS's arrangement with Leaky ReLU and two heads, one with the parameter count of the paper's "
        "Table 3 (a conjecture), a small DCGAN-like one for quick runs, or linear layers for points",
    )


@register
class BeganV3(BoundaryEquilibrium):
    """BEGAN v3 (Park, Huh, Kim 2020, Electronics 9, 688, equations 20 and 21).

        L_R = KL(q(z|x) || N(0, I)) - k KL(q(z|G(z)) || N(0, I))
        L_D = ((L(x) - k L(G(z))) + L_R) / 2 + alpha L_c

    Glorot uniform weights, zero biases. The constraint loss and KL(G(z)) move D's encoder only. The
    sign of k's update is Berthelot's; equation 8 of the v3 paper has it reversed, a positive feedback.

    Neither equation has a factor on the KL, nor averages it over dimensions, and the paper does not say how
    it scales L: `kl_weight` and `kl_over` are ours. In the presets quick and stacked the KL weighs 1/800 of
    a summed one, in points 1/1000, so their results say little about the variational term.
    """

    name = "began-v3"
    title = "BEGAN v3: variational discriminator"
    source = "Park, Huh, Kim 2020, Electronics 9, 688"
    Hyperparameters = BeganV3Hyperparameters
    reconstruction_weight = 0.5
    regularises_fake = True
    presets = {
        "quick": QUICK | {"kl_weight": 0.02},
        "points": POINTS_QUICK | {"kl_weight": 2e-3, "alpha": 0.01},
        "stacked": QUICK | STACKED | {"kl_weight": 0.02},
        "small": {"dataset": "celeba", "image_size": 64, "batch_size": 32, "filters": 64, "steps": 50_000},
        "paper": {"dataset": "celeba", "image_size": 64, "batch_size": 128, "epochs": 300},
    }

    def __init__(self, hyperparameters: BeganV3Hyperparameters, sample_shape: tuple[int, ...]) -> None:
        super().__init__(hyperparameters, sample_shape)
        self.options = hyperparameters
        self.discriminator, self.generator = arrange(
            VariationalAutoEncoder,
            hyperparameters.layers,
            "constrained",
            sample_shape,
            hyperparameters.filters,
            hyperparameters.latent_dim,
            leaky_relu,
            hyperparameters.generator_norm,
        )
        start(self, hyperparameters.layers)

    @classmethod
    def caveat(cls, hyperparameters: BeganV3Hyperparameters) -> str:
        """The weight of the variational term, where it is not equation 21's."""
        weight, size = hyperparameters.kl_weight, hyperparameters.latent_dim
        averaged = hyperparameters.kl_over == "mean" and size > 1
        if weight == 1 and not averaged:
            return ""
        words = f"the variational term of L_D has the weight kl_weight {weight:g}"
        if averaged:
            words += f" on a KL averaged over {size} latent dimensions, {weight / size:.2g} of their sum"
        return f"{words}; in equation 21 of the paper it has the weight 1 and no average."

    def code(self, encoding: Encoding, noise: Noise, fake: bool) -> Tensor:
        """Draw mu + sigma epsilon, or give mu where an option says so."""
        assert encoding.log_variance is not None
        if fake and self.options.fake_code == "mean":
            return encoding.mean
        epsilon = noise.normal("code of fake" if fake else "code of real", tuple(encoding.mean.shape))
        return encoding.mean + (0.5 * encoding.log_variance).exp() * epsilon

    def divergence(self, encoding: Encoding) -> Tensor:
        """KL(N(mu, sigma^2) || N(0, I)) in nats, averaged over the batch and over or along dimensions."""
        mean, log_variance = encoding
        assert log_variance is not None
        terms = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
        return terms.mean() if self.options.kl_over == "mean" else terms.sum(1).mean()

    def regularise(self, latent: Tensor, real: Encoding, fake: Encoding, fake_code: Tensor) -> Regularisers:
        """L_R / 2 + alpha L_c, split by the half it comes from."""
        kl_real, kl_fake = self.divergence(real), self.divergence(fake)
        encoded = fake.mean if self.options.constraint_code == "mean" else fake_code
        constraint = (latent - encoded).abs().mean()
        weight = 0.5 * self.options.kl_weight
        bounded = torch.clamp(kl_fake, max=self.options.kl_fake_limit)
        return Regularisers(
            weight * kl_real,
            self.options.alpha * constraint - weight * self.k * bounded,
            {"loss_constraint": constraint, "kl_real": kl_real, "kl_fake": kl_fake},
        )
