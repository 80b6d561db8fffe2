"""Near duplicates among the samples: a birthday test.

Arora, Risteski and Zhang 2018, "Do GANs learn the distribution? Some theory and empirics": a generator of
small support gives samples that nearly coincide. What counts as nearly is read off the real samples, where
they read it off people.
"""

from __future__ import annotations

import numpy as np

from bench.judging.comparison import Comparison
from bench.judging.metrics.registry import metric

DUPLICATES = "duplicates"
# As near as this share of the real samples are to their nearest.
REAL_SHARE = 0.01
ROUNDING = 1e-12  # of a squared distance, in parts of the features' mean square


@metric(
    DUPLICATES,
    "share of samples with a twin nearer than all but 1% of real samples have",
    better="lower",
    needs="features",
    settings="nearness of the nearest 1% of real samples",
)
def duplicates(compared: Comparison) -> float:
    """From 0 to 1; about 0.01 for real samples, 1 for a generator that repeats few images."""
    real = compared.real_neighbours[:, 0]
    # real samples may have exact twins: then equal ones count, and rounding does not
    rounding = ROUNDING * np.square(compared.real_features).sum(axis=1).mean()
    near = max(np.quantile(real, REAL_SHARE), rounding)
    return float((compared.generated_neighbours[:, 0] <= near).mean())
