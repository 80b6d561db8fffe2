"""BEGAN with an autoencoder discriminator."""

from typing import Literal

from variants.families.boundary_equilibrium import (
    POINTS,
    QUICK,
    SMALL,
    BoundaryEquilibrium,
    BoundaryEquilibriumHyperparameters,
)
from variants.knobs import knob
from variants.modules.architectures import build_networks
from variants.modules.autoencoders import AutoEncoder
from variants.modules.networks import elu
from variants.presets import Preset, Training
from variants.registry import register


class BeganHyperparameters(BoundaryEquilibriumHyperparameters):
    """Hyperparameters of BEGAN."""

    layers: Literal["published", "strided", "points"] = knob(
        "published",
        "carpedm20's architecture, a small DCGAN-like one for quick runs, or linear layers for points",
    )


@register
class Began(BoundaryEquilibrium):
    """BEGAN (Berthelot et al. 2017, arXiv 1703.10717), whose equations the base class has.

    Layers as in carpedm20/BEGAN-tensorflow `models.py`, with that program's learning rate of 8e-5 and batch
    size of 16 in preset ``paper``. The paper's z is U[-1, 1]^64.
    """

    name = "began"
    title = "BEGAN: autoencoder discriminator"
    source = "Berthelot, Schumm, Metz 2017, arXiv 1703.10717"
    Hyperparameters = BeganHyperparameters
    hyperparameters: BeganHyperparameters
    presets = {
        "quick": QUICK,
        "points": POINTS,
        "small": SMALL,
        "paper": Preset(
            {"lr_g": 8e-5, "lr_d": 8e-5},
            Training(dataset="celeba", image_size=64, batch_size=16, epochs=30),
        ),
    }

    def build_networks(self) -> None:
        """Build generator and discriminator."""
        self.discriminator, self.generator = build_networks(
            self.hyperparameters, self.sample_shape, AutoEncoder, published="began", activation=elu
        )
