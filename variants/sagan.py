"""SAGAN: self-attention in generator and discriminator, and spectral norm in both."""

from dataclasses import replace

from variants.base import Phase
from variants.families.critics import HingeCritic
from variants.families.two_player import QUICK, TwoPlayerHyperparameters
from variants.knobs import knob
from variants.parts.groups import ScoreParts
from variants.parts.spectral_norm import add_spectral_norm, iterate_spectral_norms
from variants.presets import Preset, Training
from variants.registry import register


class SaganHyperparameters(TwoPlayerHyperparameters, ScoreParts):
    """Hyperparameters of SAGAN; the defaults are those of the paper (section 4)."""

    latent_dim: int = 128
    lr_g: float = 1e-4
    lr_d: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.9
    spectral_norm: bool = True
    spectral_norm_g: bool = knob(True, "spectral norm of every layer of G, one power iteration per update")


@register
class Sagan(HingeCritic):
    """SAGAN (Zhang, Goodfellow, Metaxas, Odena 2019, arXiv 1805.08318, equation 4), without classes.

    DCGAN's layers with self-attention, in place of the paper's residual blocks, and a rate for each network
    (section 3).
    """

    name = "sagan"
    title = "SAGAN: self-attention and spectral norm"
    source = "Zhang, Goodfellow, Metaxas, Odena 2019, arXiv 1805.08318"
    Hyperparameters = SaganHyperparameters
    hyperparameters: SaganHyperparameters
    sample_kinds = ("images",)
    self_attention = True
    presets = {
        # with spectral norm, so narrow a G makes grey images for more steps than these
        "quick": QUICK.with_values(lr_g=1e-3, lr_d=5e-4, beta1=0.5, beta2=0.999, spectral_norm_g=False),
        # section 4: batch, size and length; CelebA in place of ImageNet, which is no data set here
        "paper": Preset({}, Training(dataset="celeba", image_size=128, batch_size=256, steps=1_000_000)),
    }

    def add_parts(self) -> None:
        """Add spectral norm to both networks."""
        super().add_parts()
        if self.hyperparameters.spectral_norm_g:
            add_spectral_norm(self.generator)

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of a usual GAN; that of G ends with its power iteration."""
        *discriminator, generator = super().phases()
        return *discriminator, replace(generator, after=self.refine_generator)

    def refine_generator(self) -> None:
        """Update the spectral norms of G."""
        if self.hyperparameters.spectral_norm_g:
            iterate_spectral_norms(self.generator)
