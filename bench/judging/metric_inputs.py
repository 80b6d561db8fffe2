"""What metrics are computed from: the two sets of samples, and distances that several metrics share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from bench.judging.agreement import Agreement
from bench.judging.bins import Bins
from bench.judging.class_splits import ClassSplits
from bench.judging.class_statistics import ClassStatistics
from bench.judging.held_out import HeldOut
from bench.judging.mode_counts import ModeCounts
from bench.judging.moments import Moments
from bench.judging.sample_statistics import SampleStatistics
from bench.judging.training_features import TrainingFeatures

NEIGHBOURS = 5  # the most that a metric asks for
# Squared distances that differ by less than this are equal but for rounding: a part of the distances, which
# are kept in float32, and a part of the features' mean square, of which they are differences in float64.
ROUNDING_OF_DISTANCES = 2.0**-21
ROUNDING = 1e-12
_ROWS = 500  # of a distance matrix at a time: bounds memory and stays in the processor's cache


class PairedFeatures:
    """Features of the samples that are compared pairwise, with results that depend on them alone.

    Parameters
    ----------
    features : ndarray
        float32 (N, width).
    centre : ndarray
        Subtracted where distances are computed, which keeps digits, float64 (width,).
    """

    def __init__(self, features: np.ndarray, centre: np.ndarray) -> None:
        self._features = features
        self._centre = centre
        self._results: dict[Callable[[np.ndarray], float], float] = {}

    def __len__(self) -> int:
        return len(self._features)

    @property
    def values(self) -> np.ndarray:
        """The features, float64 (N, width)."""
        return self._features.astype(np.float64)

    @property
    def centred(self) -> np.ndarray:
        """The features less the centre, float64 (N, width)."""
        return self.values - self._centre

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Squared distances of each sample to its 1st to 5th nearest other one, float32 (N, 5)."""
        return neighbours(self.centred)

    @cached_property
    def rounding(self) -> float:
        """Squared distance below which samples are equal but for rounding."""
        return ROUNDING * float(np.square(self.centred).sum(axis=1).mean())

    def outermost(self, nearest: int) -> np.ndarray:
        """Largest squared distance from a sample that equals its `nearest`-th neighbour's but for rounding.

        What is no farther lies in the closed ball that reaches this neighbour, edge included; float32 (N,).
        """
        return self.closed(self.neighbours[:, nearest - 1].astype(np.float64))

    def closed(self, squared: np.ndarray) -> np.ndarray:
        """Largest squared distances that equal these, float64 (N,), but for rounding; float32 (N,)."""
        return (squared * (1 + ROUNDING_OF_DISTANCES) + self.rounding).astype(np.float32)

    def others_that_hold(self, edge: np.ndarray) -> np.ndarray:
        """Number of other samples within whose ball each sample lies, int64 (N,).

        Parameters
        ----------
        edge : ndarray
            Squared radius of the closed ball about each sample, float32 (N,).
        """
        held = np.empty(len(self), dtype=np.int64)
        for start, block in _blocks(self.centred, self.centred):
            here = np.arange(len(block))
            block[here, start + here] = np.inf  # its own
            held[start : start + len(block)] = (block.astype(np.float32) <= edge).sum(axis=1)
        return held

    def innermost(self, nearest: int) -> np.ndarray:
        """Least squared distance from a sample that equals its `nearest`-th neighbour's but for rounding.

        What is nearer lies in the open ball that reaches this neighbour, edge excluded; float32 (N,), below 0
        where the neighbour is a copy.
        """
        reach = self.neighbours[:, nearest - 1].astype(np.float64)
        return (reach * (1 - ROUNDING_OF_DISTANCES) - self.rounding).astype(np.float32)

    @cached_property
    def bins(self) -> Bins:
        """Bins of the samples by k-means."""
        return Bins.of(self.values)

    def cached(self, function: Callable[[np.ndarray], float]) -> float:
        """Result of a function of the features, computed on its first call only."""
        if function not in self._results:
            self._results[function] = function(self.values)
        return self._results[function]


class MetricInputs:
    """All that a metric sees of generated and real samples; none of it may be changed.

    Parameters
    ----------
    generated, real : SampleStatistics
        By the same extractor.
    paired : int
        Metrics that compare samples with samples take the first `paired` of each side.
    real_features : PairedFeatures, optional
        Those of an earlier comparison with the same real samples, whose results are then reused.
    training_features : TrainingFeatures, optional
        Features of the training samples; those that are kept of `real` where not given.
    held_out : HeldOut, optional
        Held-out real samples, where there are any.

    Attributes
    ----------
    generated_moments, real_moments : Moments
        Of the features of all samples.
    generated_classes, real_classes : ClassStatistics
        Of all samples.
    generated_splits : ClassSplits
        Of ten parts of the generated samples.
    generated_modes, real_modes : ModeCounts
        Of all samples.
    generated_agreement : Agreement
        Of all generated samples, where they are labelled.
    generated_features, real_features : PairedFeatures
        Of the first `paired` samples of each side.
    training_features : TrainingFeatures
        Of all training samples, or of the most that are kept, to search the nearest.
    """

    def __init__(
        self,
        generated: SampleStatistics,
        real: SampleStatistics,
        paired: int,
        real_features: PairedFeatures | None = None,
        training_features: TrainingFeatures | None = None,
        held_out: HeldOut | None = None,
    ) -> None:
        self._generated = generated
        self._held_out = held_out
        self.generated_moments: Moments = generated.moments
        self.real_moments: Moments = real.moments
        self.generated_classes: ClassStatistics = generated.classes
        self.real_classes: ClassStatistics = real.classes
        self.generated_splits: ClassSplits = generated.splits
        self.generated_modes: ModeCounts = generated.modes
        self.real_modes: ModeCounts = real.modes
        self.generated_agreement: Agreement = generated.agreement
        centre = real.moments.mean
        self.generated_features = PairedFeatures(generated.features[:paired], centre)
        self.real_features = real_features or PairedFeatures(real.features[:paired], centre)
        self.training_features = training_features or TrainingFeatures(real.features, centre)

    @property
    def all_generated(self) -> np.ndarray:
        """Features of all generated samples where a metric on request is computed, float32 (N, width)."""
        return self._generated.features

    @property
    def held_out(self) -> HeldOut:
        """Held-out real samples; for metrics that need them, which are not computed without."""
        assert self._held_out is not None
        return self._held_out

    @property
    def generated_images(self) -> np.ndarray:
        """The first 500 generated images or fewer, uint8 (N, C, H, W)."""
        return self._generated.images

    @cached_property
    def distances(self) -> np.ndarray:
        """Squared distances between generated (rows) and real samples (columns), float32 (paired, paired)."""
        return squared_distances(self.generated_features.centred, self.real_features.centred)


def squared_distances(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances between float64 vectors, float32 (rows, columns), none below 0."""
    found = np.empty((len(rows), len(columns)), dtype=np.float32)
    for start, block in _blocks(rows, columns):
        found[start : start + len(block)] = block
    return found


def neighbours(vectors: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """Return the squared distances of each vector to its nearest others, in rising order.

    Parameters
    ----------
    vectors : ndarray
        float64 (N, width), N above `count`.
    count : int
        Number of neighbours.

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
    """Yield blocks of rows of the float64 matrix of squared distances, each with its first row's index."""
    squares = np.einsum("ij,ij->i", columns, columns)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        block = part @ columns.T
        block *= -2
        block += np.einsum("ij,ij->i", part, part)[:, None]
        block += squares
        yield start, np.maximum(block, 0, out=block)
