"""Number of classes among the samples, by a network's predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

CLASSES_COVERED = "classes_covered"
EFFECTIVE_CLASSES = "effective_classes"


@metric(
    CLASSES_COVERED,
    "classes of the real images that the samples show with confidence",
    better="higher",
    needs="classes",
    settings="sure at 0.9, a fifth of the real share, classes of 1% of the real images",
)
def classes_covered(inputs: MetricInputs) -> float:
    """A whole number; see :meth:`bench.judging.class_statistics.ClassStatistics.covered`."""
    return inputs.generated_classes.covered(inputs.real_classes)


@metric(
    EFFECTIVE_CLASSES,
    "exponential of the entropy of the predicted classes",
    better="higher",
    needs="classes",
)
def of_samples(inputs: MetricInputs) -> float:
    """From 1 (one class) to the network's number of classes."""
    classes = inputs.generated_classes
    return effective_classes((classes.predicted / classes.count).tolist())


def effective_classes(shares: Sequence[float]) -> float:
    """Exponential of the entropy of class shares, which sum to 1: from 1 to the number of classes."""
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))
