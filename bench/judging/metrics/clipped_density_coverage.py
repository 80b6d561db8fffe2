"""Clipped density and clipped coverage.

Salvy, Talbot and Thirion 2025, "Enhanced generative model evaluation with clipped density and coverage"
(arXiv 2507.01761). No sample counts for more than one, and of the density no ball is larger than the median
one, so outliers of either side change little. Both values are put on a scale on which a share of good
samples, the others being far away, is about that share. A sample at the edge of a ball is inside for the
density and outside for the coverage, as in the authors' program.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import betaln, gammaln

from bench.judging.metric_inputs import MetricInputs, PairedFeatures
from bench.judging.metrics.registry import metric

NEAREST = 5


@metric(
    "clipped_density",
    "share of samples that lie as densely among the real ones as these do",
    better="higher",
    needs="features",
    settings=f"k = {NEAREST}, radii up to the median one, at most k balls a sample",
)
def clipped_density(inputs: MetricInputs) -> float:
    """From 0 to 1; 1 also for samples denser than the real ones."""
    held = (inputs.distances <= _edge(inputs.real_features)[None, :]).sum(axis=1)
    ideal = inputs.real_features.cached(_of_real)
    return min(1.0, _clipped_share(held) / ideal) if ideal else 0.0


@metric(
    "clipped_coverage",
    "share of good samples that would cover the real ones as well",
    better="higher",
    needs="features",
    settings=f"k = {NEAREST}, at most k samples a ball, on the scale of so many good samples",
)
def clipped_coverage(inputs: MetricInputs) -> float:
    """From 0 to 1."""
    held = (inputs.distances < inputs.real_features.innermost(NEAREST)[None, :]).sum(axis=0)
    expected = expected_coverage(len(inputs.real_features), len(inputs.generated_features))
    return float(np.searchsorted(expected, _clipped_share(held))) / len(expected)


@lru_cache(maxsize=8)
def expected_coverage(real: int, generated: int) -> np.ndarray:
    """Coverage, before its scale, if 0, 1, ... of the generated samples are good and the others far away.

    Parameters
    ----------
    real : int
        Number of real samples, above 5.
    generated : int
        Number of generated samples.

    Returns
    -------
    ndarray
        float64 (generated + 1,), rising; 0 for fewer good samples than 5, as the authors have it.

    Notes
    -----
    The share of probability in the ball that reaches the k-th of N - 1 other real samples has the Beta
    distribution (k, N - k), so the number J of m good samples in the ball is beta-binomial. The value is
    E[min(J, k)] / k, which is 1 less the sum of (k - j) P(J = j) / k over j < k.
    """
    good = np.arange(NEAREST, generated + 1, dtype=np.float64)
    missing = np.zeros_like(good)
    for held in range(NEAREST):
        chosen = gammaln(good + 1) - gammaln(held + 1) - gammaln(good - held + 1)
        share = betaln(NEAREST + held, real - NEAREST + good - held) - betaln(NEAREST, real - NEAREST)
        missing += (NEAREST - held) * np.exp(chosen + share)
    few = np.zeros(min(NEAREST, generated + 1))
    return np.concatenate([few, 1 - missing / NEAREST])


def _edge(features: PairedFeatures) -> np.ndarray:
    """Squared radii of the clipped balls, edge included, float32 (N,)."""
    reach = np.sqrt(features.neighbours[:, NEAREST - 1].astype(np.float64))
    return features.closed(np.minimum(reach, np.median(reach)) ** 2)


def _of_real(values: np.ndarray) -> float:
    """Share that real samples have among one another."""
    features = PairedFeatures(values.astype(np.float32), values.mean(axis=0))
    return _clipped_share(features.others_that_hold(_edge(features)))


def _clipped_share(held: np.ndarray) -> float:
    return float(np.minimum(held, NEAREST).mean() / NEAREST)
