"""The sliced Wasserstein distance of features; with Inception's it is the Monge Inception distance (MIND).

Berthet, Wu, Crepy, Elie, Greff and Sander 2026, "MIND: Monge Inception distance for generative models
evaluation" (arXiv 2605.06797): 3 d times the mean, over random directions, of the squared 2-Wasserstein
distance of the projections, which are sorted and subtracted.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bench.datasets import fixed_draws
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

DIRECTIONS = 1000
_AT_ONCE = 100  # directions: bounds memory


@metric(
    "sliced_wasserstein",
    "sliced Wasserstein distance to the real samples, 3 d times its square (MIND)",
    better="lower",
    needs="features",
    settings=f"{DIRECTIONS} fixed directions",
    on_request=True,
)
def of_samples(inputs: MetricInputs) -> float:
    """At least 0; biased upwards, the more so the fewer samples: compare equal counts only."""
    return sliced_wasserstein(inputs.generated_features.values, inputs.real_features.values)


def sliced_wasserstein(first: np.ndarray, second: np.ndarray) -> float:
    """Sliced Wasserstein distance between sets of equal size, float64 (N, width) each, on MIND's scale."""
    width = first.shape[1]
    total = 0.0
    for part in np.split(directions(width), DIRECTIONS // _AT_ONCE):
        one, other = (np.sort(values @ part.T, axis=0) for values in (first, second))
        total += float(np.square(one - other).mean(axis=0).sum())
    return 3 * width * total / DIRECTIONS


@lru_cache(maxsize=2)
def directions(width: int) -> np.ndarray:
    """The unit vectors on which features are projected, float64 (1000, width): the same everywhere."""
    drawn = fixed_draws.normal(0, (DIRECTIONS, width))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
