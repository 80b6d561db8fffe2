"""NDB: the number of statistically different bins, as a share of all bins.

Richardson and Weiss 2018, "On GANs and GMMs", section 3: real samples are put into bins by k-means, here of
features; in each bin the shares of real and of generated samples are compared by a test of two proportions.
"""

from __future__ import annotations

from bench.judging.bins import LEAST_IN_BIN, MOST_BINS, ROUNDS, SIGNIFICANCE, significant
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric


@metric(
    "ndb",
    "share of bins of real samples that hold significantly more or fewer generated ones",
    better="lower",
    needs="features",
    settings=(
        f"{MOST_BINS} bins, fewer of less than {LEAST_IN_BIN} samples each; {ROUNDS} rounds of k-means;"
        f" two-sided at {SIGNIFICANCE}"
    ),
    on_request=True,
)
def different_bins(inputs: MetricInputs) -> float:
    """From 0 to 1; about 0.05, the level of the test, for samples as good as the data."""
    bins = inputs.real_features.bins
    deviations = bins.deviations(bins.count(inputs.generated_features.values))
    return float(significant(deviations).mean())
