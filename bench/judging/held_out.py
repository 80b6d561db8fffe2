"""Real samples outside the training data, and as many training samples that distances are compared with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets import DataArray
from bench.judging.moments import Moments
from bench.judging.protocol import Extractor
from bench.judging.reference import MINIMUM_SAMPLES, most_paired, pairing_order, reference_statistics
from bench.judging.sample_statistics import SampleStatistics


@dataclass(frozen=True)
class HeldOut:
    """Statistics of held-out real samples, and of equally many training samples.

    A Fréchet distance falls with the number of samples on either side. The distances from one set of samples
    to the held-out ones and to equally many training samples differ by the samples alone.

    Attributes
    ----------
    moments : Moments
        Of the features of the held-out samples.
    matched_moments : Moments
        Of the features of equally many training samples. None of them is among those that are measured as
        though they were generated.
    features : ndarray
        Features of the first held-out samples in a fixed random order, float32 (N, width).
    label : str
        Split, count and the data's hash, for the protocol.
    """

    moments: Moments
    matched_moments: Moments
    features: np.ndarray
    label: str


def held_out_statistics(
    extractor: Extractor, training: DataArray, held_out: DataArray, cache: Path
) -> HeldOut | None:
    """Compute the statistics of held-out samples and of equally many training samples, or read cached ones.

    Parameters
    ----------
    extractor : Extractor
        The extractor.
    training, held_out : DataArray
        The samples of the reference, and those outside it.
    cache : Path
        The bench's cache folder, as for :func:`bench.judging.reference.reference_statistics`.

    Returns
    -------
    HeldOut or None
        None if there are fewer than 12 samples of either kind.
    """
    half, paired = training.count // 2, most_paired(training.count)
    # the samples after the first half, as many as are paired, are measured as though they were generated
    free = np.delete(pairing_order(training.count), np.s_[half : half + paired])
    count = min(len(free), held_out.count)
    if count < MINIMUM_SAMPLES:
        return None
    outside = _subset(extractor, held_out, pairing_order(held_out.count)[:count], cache)
    matched = _subset(extractor, training, free[:count], cache)
    label = f"{held_out.split} {count}@{held_out.hash[:8]} and as many of the reference"
    return HeldOut(outside.moments, matched.moments, outside.features, label)


def _subset(extractor: Extractor, array: DataArray, rows: np.ndarray, cache: Path) -> SampleStatistics:
    """Return the statistics of some samples of a data set."""
    samples, digest = array.samples, array.hash
    if len(rows) < array.count:
        rows = np.sort(rows)
        samples = samples[rows]
        digest = hashlib.sha256(array.hash.encode() + rows.tobytes()).hexdigest()
    return reference_statistics(extractor, samples, digest, array.name, cache, array.split).statistics
