"""Agreement of conditional samples with the classes that they were asked for.

The classifier is the extractor's network, whose classes must include those of the data set; for points it is
the nearest mode.
"""

from __future__ import annotations

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

CLASS_AGREEMENT = "class_agreement"
LOWEST_CLASS_AGREEMENT = "lowest_class_agreement"


def _of_class(inputs: MetricInputs, label: int) -> float:
    return inputs.generated_agreement.share(label)


@metric(
    CLASS_AGREEMENT,
    "share of samples that a classifier assigns to the class they were asked for",
    better="higher",
    needs="labels",
    of_class=_of_class,
)
def class_agreement(inputs: MetricInputs) -> float:
    """From 0 to 1, over all samples."""
    return inputs.generated_agreement.share()


@metric(
    LOWEST_CLASS_AGREEMENT,
    "class_agreement of the class with the lowest one",
    better="higher",
    needs="labels",
)
def lowest_class_agreement(inputs: MetricInputs) -> float:
    """From 0 to 1, over the classes that samples were asked for."""
    return inputs.generated_agreement.lowest_share()
