"""GANs whose discriminator is a classifier of real and fake samples (Goodfellow et al. 2014).

    L_D = E[s(-d(x))] + E[s(d(G(z)))]
    L_G = E[s(-d(G(z)))]

s(t) = log(1 + e^t), and d(v) is the logit of the probability that v is real.
"""

from typing import ClassVar

from torch import Tensor

from variants.base import Batch, VariantHyperparameters
from variants.families.two_player import Loss, TwoPlayer, TwoPlayerHyperparameters
from variants.modules.losses import cross_entropy, non_saturating
from variants.parts.feature_matching import FeatureMatching
from variants.parts.groups import ScoreParts
from variants.parts.label_smoothing import LabelSmoothing


class CrossEntropyHyperparameters(TwoPlayerHyperparameters, ScoreParts, LabelSmoothing, FeatureMatching):
    """Hyperparameters of the family."""


class CrossEntropy(TwoPlayer):
    """A GAN with Goodfellow's losses, the non-saturating one for G."""

    Hyperparameters: ClassVar[type[VariantHyperparameters]] = CrossEntropyHyperparameters
    hyperparameters: CrossEntropyHyperparameters

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_D = E[s(-d(x))] + E[s(d(G(z)))] (Goodfellow et al. 2014, equation 1)."""
        return cross_entropy(*self.scores(real, fake, batch), self.hyperparameters.label_smoothing)

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Loss:
        """Return L_G = E[s(-d(G(z)))] (Goodfellow et al. 2014, section 3)."""
        return non_saturating(self.fake_scores(fake, batch))
