"""Groups of parts that variants of one kind share."""

from variants.parts.augmentation import Augmentation
from variants.parts.batch_statistics import BatchStatistics
from variants.parts.packing import Packing
from variants.parts.penalties import GradientPenalty, SamplePenalties
from variants.parts.spectral_norm import SpectralNorm


class ScoreParts(GradientPenalty, SamplePenalties, SpectralNorm, BatchStatistics, Packing, Augmentation):
    """Parts that fit every discriminator with one score of each sample."""
