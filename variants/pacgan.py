"""PacGAN: the discriminator scores several samples at once."""

from variants.dcgan import Dcgan, DcganHyperparameters
from variants.families.two_player import POINTS, QUICK
from variants.presets import Preset, Training
from variants.registry import register


class PacganHyperparameters(DcganHyperparameters):
    """Hyperparameters of PacGAN."""

    packing: int = 2


@register
class Pacgan(Dcgan):
    """PacGAN (Lin et al. 2018, arXiv 1712.04086, section 3): DCGAN's networks and losses of packed samples.

    Preset ``paper`` is the experiment on stacked digits, section 4.2, whose 128,000 samples of 50 epochs
    are 100,000 batches of 64.
    """

    name = "pacgan"
    title = "PacGAN: packed samples"
    source = "Lin, Khetan, Fanti, Oh 2018, arXiv 1712.04086"
    Hyperparameters = PacganHyperparameters
    hyperparameters: PacganHyperparameters
    presets = {
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4),
        "points": POINTS.with_values(lr_g=2e-3, lr_d=4e-3, discriminator_norm="none"),
        "paper": Preset({}, Training(dataset="stacked-mnist", image_size=28, batch_size=64, steps=100_000)),
    }
