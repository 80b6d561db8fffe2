"""The Vendi score: the effective number of different samples.

Friedman and Dieng 2023, "The Vendi score: a diversity evaluation metric for machine learning", definition
3.1: the exponential of the entropy of the eigenvalues of K / N.
"""

from __future__ import annotations

import math

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

VENDI = "vendi"


@metric(
    VENDI,
    "Vendi score: effective number of different samples, by the cosine between features",
    better="higher",
    # points are left out: the cosine between coordinates does not measure their similarity
    needs="images",
    settings="cosine kernel",
)
def of_samples(inputs: MetricInputs) -> float:
    """From 1 to the smaller of number and width of features. Real samples are not used."""
    return vendi_score(inputs.generated_features.values)


def vendi_score(features: np.ndarray) -> float:
    """Vendi score of features (N, width) under the cosine kernel.

    The N x N kernel matrix and the width x width one share their nonzero eigenvalues: the smaller is used.
    """
    vectors = features.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(norms > 0, norms, 1.0)
    count, width = vectors.shape
    gram = vectors.T @ vectors if width <= count else vectors @ vectors.T
    eigenvalues = np.linalg.eigvalsh(gram / count)
    positive = eigenvalues[eigenvalues > 0]
    return math.exp(-float((positive * np.log(positive)).sum()))
