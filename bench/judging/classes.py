"""Which classes a set of images shows, by a network's predictions."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from bench.system.errors import WorkError

# A class belongs to the real images when at least one in so many of them is predicted to be of it.
REAL_ONE_IN = 100
# A generated image shows a class when the network is this sure.
SURE = 0.9
# A class is covered when such images hold at least one such part of its share among the real ones.
PARTS_OF_REAL_SHARE = 5


class ClassShares:
    """Counts and probabilities of predicted classes, gathered batch by batch.

    Attributes
    ----------
    hard : ndarray
        int64 (K,): images whose most probable class it is.
    confident : ndarray
        int64 (K,): those of them with a probability of at least 0.9.
    summed : ndarray
        float64 (K,): sum of the probabilities.
    entropy : float
        Sum over images of the entropy of their probabilities, in nats.
    """

    def __init__(self) -> None:
        self.hard: np.ndarray = np.zeros(0, dtype=np.int64)
        self.confident: np.ndarray = np.zeros(0, dtype=np.int64)
        self.summed: np.ndarray = np.zeros(0)
        self.entropy = 0.0

    @property
    def count(self) -> int:
        """Number of images."""
        return int(self.hard.sum())

    def update(self, probabilities: Tensor) -> None:
        """Take in class probabilities (N, K), each row summing to 1.

        Raises
        ------
        WorkError
            If a probability is not finite.
        """
        values = probabilities.numpy()
        if not np.isfinite(values).all():
            raise WorkError("class probabilities are NaN or infinite")
        kinds = values.shape[1]
        guesses, sure = values.argmax(axis=1), values.max(axis=1) >= SURE
        if not len(self.hard):
            self.hard, self.confident = np.zeros(kinds, dtype=np.int64), np.zeros(kinds, dtype=np.int64)
            self.summed = np.zeros(kinds)
        self.hard = self.hard + np.bincount(guesses, minlength=kinds)
        self.confident = self.confident + np.bincount(guesses[sure], minlength=kinds)
        exact = values.astype(np.float64)
        self.summed = self.summed + exact.sum(axis=0)
        self.entropy -= float((exact * np.log(np.where(exact > 0, exact, 1.0))).sum())

    def merge(self, other: ClassShares) -> None:
        """Take in the shares of further images."""
        if not len(self.hard):
            kinds = len(other.hard)
            self.hard, self.confident = np.zeros(kinds, dtype=np.int64), np.zeros(kinds, dtype=np.int64)
            self.summed = np.zeros(kinds)
        self.hard, self.confident = self.hard + other.hard, self.confident + other.confident
        self.summed, self.entropy = self.summed + other.summed, self.entropy + other.entropy

    def without(self, part: ClassShares) -> ClassShares:
        """Shares of these images less those of `part`, which are some of them."""
        rest = ClassShares()
        rest.hard, rest.confident = self.hard - part.hard, self.confident - part.confident
        rest.summed, rest.entropy = self.summed - part.summed, self.entropy - part.entropy
        return rest

    def covered(self, real: ClassShares) -> int:
        """Count the real images' classes that these images cover.

        A class counts when it holds at least 1 % of the real images, and images predicted with a probability
        of at least 0.9 hold, among all images here, at least a fifth of that share.
        """
        if not self.count:
            return 0
        # in whole numbers, so that a share of exactly a fifth is enough
        enough = PARTS_OF_REAL_SHARE * self.confident * real.count >= real.hard * self.count
        return int(np.count_nonzero(enough & (REAL_ONE_IN * real.hard >= real.count)))
