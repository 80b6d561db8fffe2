"""The inception score, of the class probabilities that the extractor predicts.

Salimans et al. 2016, "Improved techniques for training GANs", section 4: ``exp(E KL(p(y|x) || p(y)))``.
Not torchmetrics': it keeps the predictions of all samples and computes in float32.
"""

from __future__ import annotations

from statistics import fmean

from bench.judging.class_splits import SPLITS, score
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import INCEPTION_SCORE, INCEPTION_SCORE_OF_SPLITS, metric


@metric(
    INCEPTION_SCORE,
    "inception score: exp of the mean KL of an image's class probabilities from their mean",
    better="higher",
    needs="classes",
    settings="all samples in one split",
)
def inception_score(inputs: MetricInputs) -> float:
    """From 1 to the network's number of classes. Real images are not used."""
    classes = inputs.generated_classes
    return score(classes.probability_sums, classes.entropy_sum, classes.count)


@metric(
    INCEPTION_SCORE_OF_SPLITS,
    f"mean inception score of {SPLITS} parts of the samples, as it is usually printed",
    better="higher",
    needs="classes",
    settings=f"{SPLITS} parts of consecutive samples",
)
def inception_score_of_splits(inputs: MetricInputs) -> float:
    """At most that of all samples, in the mean: a part has fewer samples, and its score is biased downwards.

    From 1 to the network's number of classes. Real images are not used.
    """
    splits = inputs.generated_splits
    parts = zip(splits.probability_sums, splits.entropy_sums.tolist(), splits.counts.tolist(), strict=True)
    # of fewer than ten samples some parts are empty
    return fmean(score(sums, entropy, count) for sums, entropy, count in parts if count)
