"""The inception score, on the class probabilities of whichever network looks.

Salimans et al. 2016, "Improved techniques for training GANs", section 4: ``exp(E KL(p(y|x) || p(y)))``.
"""

from __future__ import annotations

import math

import numpy as np

from bench.judging.comparison import Comparison
from bench.judging.metrics.registry import INCEPTION_SCORE, metric


@metric(
    INCEPTION_SCORE,
    "inception score: exp of the mean KL of an image's class probabilities from their mean",
    better="higher",
    needs="classes",
    settings="all samples in one split",
)
def inception_score(compared: Comparison) -> float:
    """From 1 to the network's number of classes. It never looks at real images."""
    shares = compared.generated.classes
    mean = shares.summed / shares.count
    entropy_of_mean = -float((mean * np.log(np.where(mean > 0, mean, 1.0))).sum())
    return math.exp(max(0.0, entropy_of_mean - shares.entropy / shares.count))
