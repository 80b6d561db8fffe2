"""Spacing: how far apart neighbouring samples are, beside how far apart all are.

Few images shown with small changes, interpolations of few, and samples on a curve or plane are close to their
neighbours although all together are as far apart as real ones. The quotient has no unit: blur or contrast,
which shrink all distances alike, hardly change it. Its logarithm, times a dimension, is how the number of
neighbours grows between the two scales (Grassberger and Procaccia 1983, "Measuring the strangeness of strange
attractors").
"""

from __future__ import annotations

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

SPACING = "spacing"


@metric(
    SPACING,
    "median distance of a sample to its nearest other, in parts of the root mean square distance of all",
    better="higher",
    needs="features",
    settings="nearest other sample",
)
def spacing(inputs: MetricInputs) -> float:
    """0 for few images, repeated, and where all samples are equal; the real samples are not used."""
    features = inputs.generated_features
    squared = 2 * float(features.centred.var(axis=0, ddof=1).sum())
    if squared <= features.rounding:
        return 0.0
    return float(np.sqrt(np.median(features.neighbours[:, 0]) / squared))
