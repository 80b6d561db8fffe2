"""A metric of samples: a whole metric in one file."""

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric


@metric("spread", "nearest-neighbour distance over that of real samples", better="higher", needs="features")
def spread(inputs: MetricInputs) -> float:
    """Return the mean distance of generated samples to their nearest other one, over that of real samples.

    Distances are Euclidean, between features. About 1 for samples as diverse as the data, 0 for a generator
    that repeats one image.
    """
    generated, real = (
        float(np.sqrt(features.neighbours[:, 0]).mean())
        for features in (inputs.generated_features, inputs.real_features)
    )
    return generated / max(real, 1e-12)
