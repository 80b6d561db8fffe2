"""Real samples outside the training data, and as many training samples that distances are compared with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets import DataArray
from bench.judging.moments import Moments
from bench.judging.protocol import Extractor
from bench.judging.reference import (
    MINIMUM_SAMPLES,
    Reference,
    most_paired,
    pairing_order,
    reference_statistics,
)

_BATCH = 1000  # features that are added at once: bounds memory


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
        Features of the held-out samples in a fixed random order, float32 (N, width): of all, or of as many as
        are kept. They may be mapped from a file.
    label : str
        Split, count and the data's hash, for the protocol.
    """

    moments: Moments
    matched_moments: Moments
    features: np.ndarray
    label: str


def held_out_statistics(
    extractor: Extractor, reference: Reference, held_out: DataArray, cache: Path
) -> HeldOut | None:
    """Compute the statistics of held-out samples, or read cached ones, and those of as many training samples.

    Parameters
    ----------
    extractor : Extractor
        The extractor.
    reference : Reference
        The training samples, by the same extractor.
    held_out : DataArray
        Real samples that are not among these.
    cache : Path
        The bench's cache folder, as for :func:`bench.judging.reference.reference_statistics`.

    Returns
    -------
    HeldOut or None
        None if there are fewer than 12 samples of either kind.
    """
    half = reference.count // 2
    # the samples after the first half, as many as are paired, are measured as though they were generated
    scored = np.s_[half : half + most_paired(reference.count)]
    free = np.delete(np.arange(len(reference.searched)), scored)
    count = min(len(free), held_out.count)
    if count < MINIMUM_SAMPLES:
        return None
    matched = Moments(extractor.width, "training samples")
    for start in range(0, count, _BATCH):
        matched.update(reference.searched[free[start : min(start + _BATCH, count)]])
    samples, digest = held_out.samples, held_out.hash
    if count < held_out.count:
        rows = np.sort(pairing_order(held_out.count)[:count])
        samples = samples[rows]
        digest = hashlib.sha256(held_out.hash.encode() + rows.tobytes()).hexdigest()
    outside = reference_statistics(extractor, samples, digest, held_out.name, cache, held_out.split)
    label = f"{held_out.split} {count}@{held_out.hash[:8]} and as many of the reference"
    return HeldOut(outside.statistics.moments, matched, outside.searched, label)
