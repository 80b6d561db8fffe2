"""Generated against real samples: what several metrics need of both, computed once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from bench.judging.observation import Observation

NEIGHBOURS = 5  # the most that a metric asks for
_ROWS = 500  # of a distance matrix at a time: bounds memory and stays in the processor's cache


class Comparison:
    """What metrics see.

    Parameters
    ----------
    generated, real : Observation
        By the same extractor.
    paired : int
        Metrics that compare samples with samples take the first `paired` of each side.

    Attributes
    ----------
    generated, real : Observation
        As given.
    paired : int
        As given.
    """

    def __init__(self, generated: Observation, real: Observation, paired: int) -> None:
        self.generated, self.real, self.paired = generated, real, paired

    @cached_property
    def generated_features(self) -> np.ndarray:
        """float64 (paired, width), about the real samples' mean, which keeps digits in distances."""
        return self.generated.features[: self.paired].astype(np.float64) - self.real.moments.mean

    @cached_property
    def real_features(self) -> np.ndarray:
        """float64 (paired, width), about the real samples' mean."""
        return self.real.features[: self.paired].astype(np.float64) - self.real.moments.mean

    @cached_property
    def distances(self) -> np.ndarray:
        """Squared distances between generated (rows) and real samples (columns), float32 (paired, paired)."""
        return squared_distances(self.generated_features, self.real_features)

    @cached_property
    def generated_neighbours(self) -> np.ndarray:
        """Squared distances of each generated sample to its 1st to 5th nearest other one, (paired, 5)."""
        return neighbours(self.generated_features)

    @cached_property
    def real_neighbours(self) -> np.ndarray:
        """Squared distances of each real sample to its 1st to 5th nearest other one, (paired, 5)."""
        return self.real.once(("neighbours", self.paired), lambda: neighbours(self.real_features))


def squared_distances(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances between float64 vectors, float32 (rows, columns), none below 0."""
    found = np.empty((len(rows), len(columns)), dtype=np.float32)
    for start, block in _blocks(rows, columns):
        found[start : start + len(block)] = block
    return found


def neighbours(vectors: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """Squared distances to the nearest other vectors, in rising order.

    Parameters
    ----------
    vectors : ndarray
        float64 (N, width), N above `count`.
    count : int
        How many.

    Returns
    -------
    ndarray
        float32 (N, count).
    """
    found = np.empty((len(vectors), count), dtype=np.float32)
    for start, block in _blocks(vectors, vectors):
        here = np.arange(len(block))
        block[here, start + here] = np.inf  # itself
        nearest = np.partition(block.astype(np.float32), count - 1, axis=1)[:, :count]
        found[start : start + len(block)] = np.sort(nearest, axis=1)
    return found


def _blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of the matrix of squared distances in float64, some at a time."""
    squares = np.einsum("ij,ij->i", columns, columns)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        block = part @ columns.T
        block *= -2
        block += np.einsum("ij,ij->i", part, part)[:, None]
        block += squares
        yield start, np.maximum(block, 0, out=block)
