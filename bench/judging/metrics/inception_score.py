"""The inception score, of the class probabilities that the extractor predicts.

Salimans et al. 2016, "Improved techniques for training GANs", section 4: ``exp(E KL(p(y|x) || p(y)))``.
Not torchmetrics': it keeps the predictions of all samples and computes in float32.
"""

from __future__ import annotations

import math

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import INCEPTION_SCORE, metric


@metric(
    INCEPTION_SCORE,
    "inception score: exp of the mean KL of an image's class probabilities from their mean",
    better="higher",
    needs="classes",
    settings="all samples in one split",
)
def inception_score(inputs: MetricInputs) -> float:
    """From 1 to the network's number of classes. Real images are not used."""
    classes = inputs.generated_classes
    mean = classes.probability_sums / classes.count
    entropy_of_mean = -float((mean * np.log(np.where(mean > 0, mean, 1.0))).sum())
    return math.exp(max(0.0, entropy_of_mean - classes.entropy_sum / classes.count))
