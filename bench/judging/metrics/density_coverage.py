"""Density and coverage.

Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", equations 4 and 5: both
use the balls about the real samples, which outliers among the generated ones cannot blow up. A ball is open,
as in the authors' program prdc: a sample exactly at its edge, as a copy of the k-th neighbour, is outside.
"""

from __future__ import annotations

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

NEAREST = 5
COVERAGE = "coverage"
_SETTINGS = f"k = {NEAREST}, a sample at a ball's edge is outside"


@metric(
    "density",
    "real samples' balls about a generated sample, in parts of k",
    better="higher",
    needs="features",
    settings=_SETTINGS,
    revision=2,  # 1: rounding decided whether a sample at the edge of a ball is inside
)
def density(inputs: MetricInputs) -> float:
    """At least 0; 1 for copies of the real samples, about 1 for others as good; it may exceed 1."""
    edge = inputs.real_features.innermost(NEAREST)
    return float((inputs.distances < edge[None, :]).sum() / (NEAREST * len(inputs.real_features)))


@metric(
    COVERAGE,
    "share of real samples with a generated sample among their nearest",
    better="higher",
    needs="features",
    settings=_SETTINGS,
    revision=2,  # 1: rounding decided whether a sample at the edge of a ball is inside
)
def coverage(inputs: MetricInputs) -> float:
    """From 0 to 1: real samples whose ball holds a generated sample; 1 - 2^-k or so for real against real."""
    return float((inputs.distances.min(axis=0) < inputs.real_features.innermost(NEAREST)).mean())
