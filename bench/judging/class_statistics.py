"""Statistics of predicted classes, accumulated batch by batch."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from bench.system.errors import WorkError

# A class belongs to the real images where at least one in so many of them is predicted as this class.
REAL_ONE_IN = 100
# Least probability of a confident prediction.
SURE = 0.9
# A class is covered where confident predictions reach its share among the real images divided by this.
PARTS_OF_REAL_SHARE = 5


class ClassStatistics:
    """Counts and probabilities of predicted classes over a set of images.

    Attributes
    ----------
    predicted : ndarray
        int64 (K,): number of images whose most probable class this is.
    confident : ndarray
        int64 (K,): number of those with a probability of at least 0.9.
    probability_sums : ndarray
        float64 (K,): sum over images of the class probabilities.
    entropy_sum : float
        Sum over images of the entropy of their class probabilities, in nats.
    """

    def __init__(self) -> None:
        self.predicted: np.ndarray = np.zeros(0, dtype=np.int64)
        self.confident: np.ndarray = np.zeros(0, dtype=np.int64)
        self.probability_sums: np.ndarray = np.zeros(0)
        self.entropy_sum = 0.0

    @property
    def count(self) -> int:
        """Number of images."""
        return int(self.predicted.sum())

    def update(self, probabilities: Tensor) -> None:
        """Add class probabilities (N, K), each row summing to 1.

        Raises
        ------
        WorkError
            If a probability is not finite.
        """
        values = probabilities.numpy()
        if not np.isfinite(values).all():
            raise WorkError("class probabilities are NaN or infinite")
        width = values.shape[1]
        likeliest, sure = values.argmax(axis=1), values.max(axis=1) >= SURE
        exact = values.astype(np.float64)
        batch = ClassStatistics()
        batch.predicted = np.bincount(likeliest, minlength=width)
        batch.confident = np.bincount(likeliest[sure], minlength=width)
        batch.probability_sums = exact.sum(axis=0)
        batch.entropy_sum = -float((exact * np.log(np.where(exact > 0, exact, 1.0))).sum())
        self.merge(batch)

    def merge(self, other: ClassStatistics) -> None:
        """Add the statistics of further images."""
        if not len(self.predicted):
            self.predicted, self.confident = np.zeros_like(other.predicted), np.zeros_like(other.confident)
            self.probability_sums = np.zeros_like(other.probability_sums)
        self.predicted, self.confident = self.predicted + other.predicted, self.confident + other.confident
        self.probability_sums = self.probability_sums + other.probability_sums
        self.entropy_sum += other.entropy_sum

    def without(self, part: ClassStatistics) -> ClassStatistics:
        """Statistics with the subset `part` removed."""
        rest = ClassStatistics()
        rest.predicted, rest.confident = self.predicted - part.predicted, self.confident - part.confident
        rest.probability_sums = self.probability_sums - part.probability_sums
        rest.entropy_sum = self.entropy_sum - part.entropy_sum
        return rest

    def covered(self, real: ClassStatistics) -> int:
        """Count the classes of the real images that these images cover.

        A class of the real images has at least 1 % of them. It is covered where images predicted with a
        probability of at least 0.9 make up at least a fifth of that share among all images here.
        """
        if not self.count:
            return 0
        # in whole numbers, so that a share of exactly a fifth is enough
        enough = PARTS_OF_REAL_SHARE * self.confident * real.count >= real.predicted * self.count
        return int(np.count_nonzero(enough & (REAL_ONE_IN * real.predicted >= real.count)))
