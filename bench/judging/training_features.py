"""The training samples nearest to generated ones, by features, and how far these are from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROWS = 2000  # training samples compared at once: bounds memory
_NARROW = 16  # features up to which float64 costs little; points lie closer than float32 tells apart


@dataclass(frozen=True)
class Nearest:
    """The nearest training sample of each of N vectors.

    Attributes
    ----------
    indices : ndarray
        int64 (N,): rows of :attr:`TrainingFeatures.values`.
    squared : ndarray
        float64 (N,): squared distances to them.
    """

    indices: np.ndarray
    squared: np.ndarray


class TrainingFeatures:
    """Features of the training samples, searched for the nearest ones to generated samples.

    Metrics that compare pairwise take at most half of the training samples; copies of the others are seen
    here alone. What is found of a training sample's own neighbour is kept for later evaluations.

    Parameters
    ----------
    values : ndarray
        float32 (N, width), N at least 2; it may be mapped from a file.
    centre : ndarray
        Subtracted where distances are compared, which keeps digits, float64 (width,).
    left_out : range
        Rows that count as no training samples: real samples that are measured as though generated.
    """

    def __init__(self, values: np.ndarray, centre: np.ndarray, left_out: range = range(0)) -> None:
        self.values = values
        self._centre = centre
        self._left_out = left_out
        self._to_nearest_other = np.full(len(values), np.nan)

    @property
    def searched(self) -> np.ndarray:
        """The features that are searched, without those that are left out, float32 (N, width)."""
        return np.delete(self.values, np.array(self._left_out), axis=0) if self._left_out else self.values

    def without(self, left_out: range) -> TrainingFeatures:
        """Return the same training samples less these rows."""
        return TrainingFeatures(self.values, self._centre, left_out)

    def nearest(self, vectors: np.ndarray) -> Nearest:
        """Return the nearest training sample of each vector, float64 (N, width)."""
        return self._search(vectors, np.full(len(vectors), -1))

    def to_nearest_other(self, indices: np.ndarray) -> np.ndarray:
        """Squared distances of training samples to their nearest other one.

        Parameters
        ----------
        indices : ndarray
            int64 (N,): rows of :attr:`values`.

        Returns
        -------
        ndarray
            float64 (N,).
        """
        asked = np.unique(indices)
        unknown = asked[np.isnan(self._to_nearest_other[asked])]
        if len(unknown):
            self._to_nearest_other[unknown] = self._search(self.values[unknown], unknown).squared
        found: np.ndarray = self._to_nearest_other[indices]
        return found

    def _search(self, vectors: np.ndarray, own: np.ndarray) -> Nearest:
        """Return the nearest training sample of each vector, other than its `own` row.

        A product of matrices (float32, or float64 of few features, as of dense points) finds the sample,
        which of some equally near ones but for rounding may be any. The distance to the sample is then
        computed without rounding.
        """
        exact = np.float64 if self.values.shape[1] <= _NARROW else np.float32
        asked = (vectors - self._centre).astype(exact)
        least = np.full(len(asked), np.inf, dtype=exact)
        indices = np.zeros(len(asked), dtype=np.int64)
        here = np.arange(len(asked))
        for start in range(0, len(self.values), _ROWS):
            chunk = (self.values[start : start + _ROWS] - self._centre).astype(exact)
            ranks = asked @ chunk.T
            ranks *= -2
            ranks += np.einsum("ij,ij->i", chunk, chunk)
            hidden = slice(max(self._left_out.start - start, 0), max(self._left_out.stop - start, 0))
            ranks[:, hidden] = np.inf
            inside = (start <= own) & (own < start + len(chunk))
            ranks[here[inside], own[inside] - start] = np.inf
            found = ranks.argmin(axis=1)
            nearer = ranks[here, found] < least
            indices[nearer], least[nearer] = start + found[nearer], ranks[here, found][nearer]
        apart = vectors - self.values[indices].astype(np.float64)
        return Nearest(indices, np.einsum("ij,ij->i", apart, apart))
