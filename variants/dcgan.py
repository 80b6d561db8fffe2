"""DCGAN: convolutions and batch norm in both networks."""

from typing import Literal

from variants.families.cross_entropy import CrossEntropy, CrossEntropyHyperparameters
from variants.families.two_player import POINTS, QUICK, DiscriminatorNorm
from variants.presets import Preset, Training
from variants.registry import register


class DcganHyperparameters(CrossEntropyHyperparameters, DiscriminatorNorm):
    """Hyperparameters of DCGAN; the defaults are those of the paper, section 4."""

    latent_dim: int = 100
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    prior: Literal["normal", "uniform"] = "uniform"
    discriminator_norm: Literal["batch", "none"] = "batch"


@register
class Dcgan(CrossEntropy):
    """DCGAN (Radford et al. 2015, arXiv 1511.06434, section 3), with Goodfellow's losses.

    Batch norm is in all layers but the last of G and the first of D; D sees real and fake batches apart.
    Initial weights are those of N(0, 0.02). The paper's G has 1024 maps of 4x4, which are 128 filters; its
    D is not stated and has as many.
    """

    name = "dcgan"
    title = "DCGAN: convolutions and batch norm"
    source = "Radford, Metz, Chintala 2015, arXiv 1511.06434"
    Hyperparameters = DcganHyperparameters
    hyperparameters: DcganHyperparameters
    weight_deviation = 0.02
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=2e-3, lr_d=4e-3, discriminator_norm="none"),
        "paper": Preset(
            {"filters": 128},
            Training(dataset="lsun-bedroom", image_size=64, batch_size=128, epochs=5),
        ),
    }
