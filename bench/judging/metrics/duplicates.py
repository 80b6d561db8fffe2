"""Near duplicates among the samples: a birthday test.

Arora, Risteski and Zhang 2018, "Do GANs learn the distribution? Some theory and empirics": a generator of
small support gives samples that nearly coincide. How near is too near is calibrated on the real samples;
the paper asks people instead.
"""

from __future__ import annotations

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

DUPLICATES = "duplicates"
# Samples nearer to each other than this quantile of real nearest-neighbour distances are duplicates.
REAL_SHARE = 0.01


@metric(
    DUPLICATES,
    "share of samples with a twin nearer than all but 1% of real samples have",
    better="lower",
    needs="features",
    settings="nearness of the nearest 1% of real samples",
)
def duplicates(inputs: MetricInputs) -> float:
    """From 0 to 1; about 0.01 for real samples, 1 for a generator that repeats few images."""
    nearest_real = inputs.real_features.neighbours[:, 0]
    # real samples may have exact twins: then equal ones count, and rounding does not
    near = max(np.quantile(nearest_real, REAL_SHARE), inputs.real_features.rounding)
    return float((inputs.generated_features.neighbours[:, 0] <= near).mean())
