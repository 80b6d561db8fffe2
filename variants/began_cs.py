"""BEGAN-CS: BEGAN with a loss that trains the encoder to invert the generator."""

from typing import Literal

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
from variants.modules.autoencoders import AutoEncoder, Encoding
from variants.modules.networks import elu
from variants.presets import Preset, Training
from variants.registry import register


class BeganCsHyperparameters(BoundaryEquilibriumHyperparameters):
    """Hyperparameters of BEGAN-CS. The published program alternates, then computes k and M again."""

    update: Literal["simultaneous", "alternating"] = knob(
        "alternating", "both networks from one forward pass, or D and then G against the new D"
    )
    reevaluate: bool = knob(
        True,
        "k and M from L(x) and L(G(z)) computed again after both updates, as in the published program",
    )
    alpha: float = knob(
        0.1, "weight of the constraint loss L_c in L_D", low=0, high=LARGEST, search=Search(0.01, 1.0, "log")
    )
    layers: Literal["published", "strided", "points"] = knob(
        "published",
        "BEGAN_CS.py's architecture, a small DCGAN-like one for quick runs, or linear layers for points",
    )


@register
class BeganCs(BoundaryEquilibrium):
    """BEGAN-CS (Chang et al., ECCV 2018).

        L_D = L(x) - k L(G(z)) + alpha L_c,  L_c = mean |z - Enc(G(z))|

    The gradient of the constraint loss L_c reaches D's encoder only. Layers and order of updates as in
    chang810249/BEGAN-CS.
    """

    name = "began-cs"
    short_name = "cs"
    title = "BEGAN-CS: constrained latent space"
    source = "Chang, Lin, Lee, Juan, Wei, Chen 2018, ECCV"
    Hyperparameters = BeganCsHyperparameters
    hyperparameters: BeganCsHyperparameters
    regularises_fake = True
    scalars = (*BoundaryEquilibrium.scalars, CONSTRAINT)
    presets = {
        # found by a study: docs/quick-presets.md
        "quick": QUICK.with_values(reevaluate=False, gamma=0.915, lambda_k=0.125, lr_g=4.1e-3, lr_d=1.9e-3),
        "points": POINTS.with_values(
            reevaluate=False, alpha=0.075, lambda_k=0.042, lr_g=2.5e-3, lr_d=1.2e-2, beta2=0.999
        ),
        "small": SMALL,
        "paper": Preset(
            {"norm": "frobenius"}, Training(dataset="celeba", image_size=64, batch_size=64, epochs=300)
        ),
    }

    def build_networks(self) -> None:
        """Build generator and discriminator."""
        self.discriminator, self.generator = build_networks(
            self.hyperparameters, self.sample_shape, AutoEncoder, published="constrained", activation=elu
        )

    def regularise(self, latent: Tensor, real: Encoding, fake: Encoding, fake_code: Tensor) -> Regularisers:
        """Return alpha L_c, with L_c = mean |z - Enc(G(z))|."""
        constraint = (latent - fake.mean).abs().mean()
        return Regularisers(None, self.hyperparameters.alpha * constraint, {"loss_constraint": constraint})
