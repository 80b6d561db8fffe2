"""Rényi kernel entropy of order 2: the effective number of modes, and the relative entropy of two sets.

Jalali, Li and Farnia 2023, "An information-theoretic evaluation of generative models in learning multi-modal
distributions": exp of RKE_2 = -log mean k(x, x')^2 over all pairs, and RRKE_1/2 = -log |K_XY|_nuclear^2 with
K_XY = k(x_i, y_j) / sqrt(n m). The kernel is Gaussian, exp(-|x - x'|^2 / (2 s^2)). The authors choose s by
hand for each extractor; here it follows from the real samples, so values of one data set are comparable.
"""

from __future__ import annotations

import math

import numpy as np

from bench.judging.metric_inputs import MetricInputs, squared_distances
from bench.judging.metrics.registry import metric

BANDWIDTH = 0.5  # of the median distance between real samples
FIRST = 500  # samples of each side that the bandwidth and the relative entropy look at
_ROWS = 500  # of the kernel matrix at a time


@metric(
    "rke",
    "effective number of modes: exp of the Rényi kernel entropy of order 2",
    better="higher",
    needs="features",
    settings=f"Gaussian kernel, s = {BANDWIDTH} of the median distance between real samples",
    on_request=True,
)
def mode_count(inputs: MetricInputs) -> float:
    """From 1 to the number of samples. Real samples decide the bandwidth only."""
    variance = inputs.real_features.cached(squared_bandwidth)
    vectors = inputs.generated_features.centred
    total = sum(
        float(
            np.exp(-squared_distances(vectors[start : start + _ROWS], vectors) / variance).sum(
                dtype=np.float64
            )
        )
        for start in range(0, len(vectors), _ROWS)
    )
    return len(vectors) ** 2 / total


@metric(
    "rrke",
    "relative Rényi kernel entropy of order 1/2 between generated and real samples",
    better="lower",
    needs="features",
    settings=f"first {FIRST} of each side, kernel of rke",
    on_request=True,
)
def relative_entropy(inputs: MetricInputs) -> float:
    """At least 0, in nats; above 0 also for other real samples, the more so the fewer there are."""
    variance = inputs.real_features.cached(squared_bandwidth)
    squared = squared_distances(
        inputs.generated_features.centred[:FIRST], inputs.real_features.centred[:FIRST]
    )
    kernel = np.exp(squared.astype(np.float64) / (-2 * variance)) / math.sqrt(squared.size)
    # of samples far from all real ones the kernel is 0, and the entropy infinite
    norm = max(float(np.linalg.svd(kernel, compute_uv=False).sum()), np.finfo(np.float64).tiny)
    return max(0.0, -2 * math.log(norm))


def squared_bandwidth(values: np.ndarray) -> float:
    """The square of the kernel's s for real features, float64 (N, width), N at least 2; above 0."""
    some = values[:FIRST] - values[:FIRST].mean(axis=0)
    squared = squared_distances(some, some)[np.triu_indices(len(some), 1)]
    return max(BANDWIDTH**2 * float(np.median(squared)), np.finfo(np.float64).tiny)
