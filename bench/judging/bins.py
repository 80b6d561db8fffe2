"""Bins of samples by k-means of their features, and which of them hold too few or too many samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2, vq
from scipy.special import ndtri

from bench.datasets import fixed_draws

MOST_BINS = 100
LEAST_IN_BIN = 20  # real samples, in the mean: with fewer the test of a bin says nothing
ROUNDS = 20  # of k-means
SIGNIFICANCE = 0.05  # two-sided, of a bin's test


@dataclass(frozen=True)
class Bins:
    """Cells of the nearest centre.

    Attributes
    ----------
    centres : ndarray
        float64 (K, width).
    counts : ndarray
        int64 (K,): number of the real samples in each, above 0.
    """

    centres: np.ndarray
    counts: np.ndarray

    @staticmethod
    def of(features: np.ndarray, most: int = MOST_BINS, least: int = LEAST_IN_BIN) -> Bins:
        """Bin real samples: the same samples have the same bins.

        Parameters
        ----------
        features : ndarray
            float64 (N, width), N at least 2.
        most : int
            Number of bins, at least 2, where there are samples enough.
        least : int
            Samples in a bin, in the mean, below which there are fewer bins, but never fewer than 2.
        """
        number = max(2, min(most, len(features) // least))
        begin = features[fixed_draws.permutation(0, len(features))[:number]]
        with warnings.catch_warnings():
            # a bin is empty where real samples are equal; it is dropped
            warnings.filterwarnings("ignore", "One of the clusters is empty")
            centres, _ = kmeans2(features, begin, iter=ROUNDS, minit="matrix")
        counts = np.bincount(vq(features, centres)[0], minlength=number)
        return Bins(centres[counts > 0], counts[counts > 0])

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Bin of each sample, int64 (N,); `features` are float64 (N, width)."""
        return vq(features, self.centres)[0].astype(np.int64)

    def count(self, features: np.ndarray) -> np.ndarray:
        """Number of samples in each bin, int64 (K,)."""
        return np.bincount(self.assign(features), minlength=len(self.centres))

    def deviations(self, counts: np.ndarray) -> np.ndarray:
        """By how many standard errors the shares of samples exceed the real ones.

        Parameters
        ----------
        counts : ndarray
            int64 (K,): number of samples in each bin, of at least one in all.

        Returns
        -------
        ndarray
            float64 (K,): the z of the test of two proportions with a pooled share; 0 where that is 0 or 1.
        """
        real, total = int(self.counts.sum()), int(counts.sum())
        pooled = (self.counts + counts) / (real + total)
        error = np.sqrt(pooled * (1 - pooled) * (1 / real + 1 / total))
        difference = counts / total - self.counts / real
        return np.divide(difference, error, out=np.zeros(len(counts)), where=error > 0)


def significant(deviations: np.ndarray) -> np.ndarray:
    """Whether each deviation, in standard errors, is significant at the 5% level, bool (K,)."""
    return np.abs(deviations) > ndtri(1 - SIGNIFICANCE / 2)
