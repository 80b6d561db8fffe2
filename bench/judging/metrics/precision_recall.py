"""Improved precision and recall.

Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models", equation 1:
a set's manifold is the union of balls about its samples that reach their 3rd nearest neighbour. A ball is
closed, as in the equation: a sample exactly at its edge is inside.
"""

from __future__ import annotations

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

PRECISION = "precision"
NEAREST = 3
_SETTINGS = f"k = {NEAREST}, a sample at a ball's edge is inside"


@metric(
    PRECISION,
    "share of generated samples inside the real samples' manifold",
    better="higher",
    needs="features",
    settings=_SETTINGS,
    revision=2,  # 1: rounding decided whether a sample at the edge of a ball is inside
)
def precision(inputs: MetricInputs) -> float:
    """From 0 to 1: generated samples that lie in the ball of some real sample."""
    edge = inputs.real_features.outermost(NEAREST)
    return float((inputs.distances <= edge[None, :]).any(axis=1).mean())


@metric(
    "recall",
    "share of real samples inside the generated samples' manifold",
    better="higher",
    needs="features",
    settings=_SETTINGS,
    revision=2,  # 1: rounding decided whether a sample at the edge of a ball is inside
)
def recall(inputs: MetricInputs) -> float:
    """From 0 to 1: real samples that lie in the ball of some generated sample."""
    edge = inputs.generated_features.outermost(NEAREST)
    return float((inputs.distances <= edge[:, None]).any(axis=0).mean())
