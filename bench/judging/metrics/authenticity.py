"""Authenticity: the share of samples that are no copies of training samples.

Alaa, van Breugel, Saveliev and van der Schaar 2022, "How faithful is your synthetic data? Sample-level
metrics for evaluating and auditing generative models", in the form that is usually computed (AuthPct): a
sample is authentic if it lies farther from its nearest training sample than this training sample lies from
its own nearest other one. As far is not farther, so copies of training samples that occur twice are not
authentic.
"""

from __future__ import annotations

from bench.judging.metric_inputs import ROUNDING_OF_DISTANCES, MetricInputs
from bench.judging.metrics.registry import metric

AUTHENTICITY = "authenticity"


@metric(
    AUTHENTICITY,
    "share of samples farther from the nearest training sample than that one is from its own nearest",
    better="higher",
    needs="features",
    settings="nearest of all searched training samples, as far is not farther",
    revision=2,  # 1: among dense points rounding chose the nearest
)
def authenticity(inputs: MetricInputs) -> float:
    """From 0 to 1: 0 for copies, 0.5 to 0.7 for other real samples, 1 for samples far from all data."""
    training = inputs.training_features
    nearest = training.nearest(inputs.generated_features.values)
    reach = training.to_nearest_other(nearest.indices)
    farther = nearest.squared > reach * (1 + ROUNDING_OF_DISTANCES) + inputs.real_features.rounding
    return float(farther.mean())
