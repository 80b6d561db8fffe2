"""Density and coverage.

Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", equations 4 and 5: both
use the balls about the real samples, which outliers among the generated ones cannot blow up.
"""

from __future__ import annotations

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

NEAREST = 5
COVERAGE = "coverage"
_SETTINGS = f"k = {NEAREST}"


@metric(
    "density",
    "real samples' balls about a generated sample, in parts of k",
    better="higher",
    needs="features",
    settings=_SETTINGS,
)
def density(inputs: MetricInputs) -> float:
    """At least 0; about 1 where both sets have one distribution, and it may exceed 1."""
    reach = inputs.real_features.neighbours[:, NEAREST - 1]
    return float((inputs.distances <= reach[None, :]).sum() / (NEAREST * len(inputs.real_features)))


@metric(
    COVERAGE,
    "share of real samples with a generated sample among their nearest",
    better="higher",
    needs="features",
    settings=_SETTINGS,
)
def coverage(inputs: MetricInputs) -> float:
    """From 0 to 1: real samples whose ball holds a generated sample; 1 - 2^-k or so for real against real."""
    reach = inputs.real_features.neighbours[:, NEAREST - 1]
    return float((inputs.distances.min(axis=0) <= reach).mean())
