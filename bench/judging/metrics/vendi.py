"""The Vendi score: the effective number of different samples.

Friedman and Dieng 2023, "The Vendi score: a diversity evaluation metric for machine learning", definition
3.1: the exponential of the entropy of the eigenvalues of K / N.
"""

from __future__ import annotations

import math

import numpy as np

from bench.judging.comparison import Comparison
from bench.judging.metrics.registry import metric

VENDI = "vendi"


@metric(
    VENDI,
    "Vendi score: effective number of different samples, by the cosine between features",
    better="higher",
    # not of coordinates: between those the cosine says nothing about likeness
    needs="images",
    settings="cosine kernel",
)
def of_samples(compared: Comparison) -> float:
    """From 1 to the smaller of number and width of features. It never looks at real samples."""
    return vendi_score(compared.generated.features[: compared.paired])


def vendi_score(features: np.ndarray) -> float:
    """Vendi score of features (N, width) under the cosine kernel.

    The N x N kernel matrix has the eigenvalues of the width x width one, so the smaller is taken.
    """
    vectors = features.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(norms > 0, norms, 1.0)
    count, width = vectors.shape
    gram = vectors.T @ vectors if width <= count else vectors @ vectors.T
    eigenvalues = np.linalg.eigvalsh(gram / count)
    positive = eigenvalues[eigenvalues > 0]
    return math.exp(-float((positive * np.log(positive)).sum()))
