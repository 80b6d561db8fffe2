"""Predicted classes of ten equal parts of a set of samples, accumulated batch by batch."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from torch import Tensor

# The usual number of parts of an Inception score (Salimans et al. 2016).
SPLITS = 10


class ClassSplits:
    """Sums of class probabilities over ten parts of a set of samples, each of consecutive samples.

    Part i has the samples from ``i * total // 10`` up to ``(i + 1) * total // 10``, as in the program of
    Salimans et al. and in torch-fidelity.

    Parameters
    ----------
    total : int
        Number of samples of the whole set; 0 keeps no sums.
    first : int
        Position in the whole set of the first sample to come.

    Attributes
    ----------
    counts : ndarray
        int64 (10,): number of samples of each part.
    probability_sums : ndarray
        float64 (10, K): sum over the samples of a part of their class probabilities.
    entropy_sums : ndarray
        float64 (10,): sum over the samples of a part of the entropy of their probabilities, in nats.
    """

    def __init__(self, total: int, first: int = 0) -> None:
        self._total, self._next = total, first
        self._ends = np.arange(1, SPLITS + 1) * total // SPLITS
        self.counts: np.ndarray = np.zeros(SPLITS, dtype=np.int64)
        self.probability_sums: np.ndarray = np.zeros((SPLITS, 0))
        self.entropy_sums: np.ndarray = np.zeros(SPLITS)

    def update(self, probabilities: Tensor) -> None:
        """Add the class probabilities (N, K) of the next samples, finite, each row summing to 1."""
        if not self._total:
            return
        exact = probabilities.numpy().astype(np.float64)
        entropies = -(exact * np.log(np.where(exact > 0, exact, 1.0))).sum(axis=1)
        self._widen(exact.shape[1])
        places = np.searchsorted(self._ends, np.arange(self._next, self._next + len(exact)), side="right")
        self._next += len(exact)
        for part in np.unique(places):
            rows = places == part
            self.counts[part] += np.count_nonzero(rows)
            self.probability_sums[part] += exact[rows].sum(axis=0)
            self.entropy_sums[part] += entropies[rows].sum()

    def merge(self, other: Self) -> None:
        """Add the sums of other samples of the same set."""
        if not other.probability_sums.shape[1]:
            return
        self._widen(other.probability_sums.shape[1])
        self.counts = self.counts + other.counts
        self.probability_sums = self.probability_sums + other.probability_sums
        self.entropy_sums = self.entropy_sums + other.entropy_sums

    def _widen(self, classes: int) -> None:
        if not self.probability_sums.shape[1]:
            self.probability_sums = np.zeros((SPLITS, classes))


def score(probability_sum: np.ndarray, entropy_sum: float, count: int) -> float:
    """Inception score of samples: exp of the mean KL of their class probabilities from the mean ones.

    Parameters
    ----------
    probability_sum : ndarray
        float64 (K,): sum over the samples of their class probabilities.
    entropy_sum : float
        Sum over the samples of the entropy of their probabilities, in nats.
    count : int
        Number of samples, at least 1.

    Returns
    -------
    float
        From 1 to K.
    """
    mean = probability_sum / count
    entropy_of_mean = -float((mean * np.log(np.where(mean > 0, mean, 1.0))).sum())
    return math.exp(max(0.0, entropy_of_mean - entropy_sum / count))
