"""The Fréchet distance of fewer samples, and of infinitely many by extrapolation.

Chong and Forsyth 2020, "Effectively unbiased FID and Inception score and where to find them": the distance of
n samples is biased by a part that falls like 1/n. A line through distances of several counts over 1/n gives
the one at 1/n = 0. As in the authors' program there are fifteen counts, evenly spread from a tenth of the
samples to all, each of a random part of the samples. All real samples are used at every count.
"""

from __future__ import annotations

import numpy as np

from bench.datasets import fixed_draws
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.frechet import frechet_distance, symmetric_root
from bench.judging.metrics.registry import FRECHET_DISTANCE, metric
from bench.judging.moments import Moments

COUNTS = 15
LEAST = 0.1  # of the samples


@metric(
    f"{FRECHET_DISTANCE}_tenth",
    "Fréchet distance of a tenth of the samples, drawn at random",
    better="lower",
    needs="features",
    on_request=True,
)
def of_a_tenth(inputs: MetricInputs) -> float:
    """At least 0; larger than that of all samples, by the bias of fewer."""
    return of_some(inputs, max(2, len(inputs.all_generated) // 10), 0)


@metric(
    f"{FRECHET_DISTANCE}_half",
    "Fréchet distance of half of the samples, drawn at random",
    better="lower",
    needs="features",
    on_request=True,
)
def of_a_half(inputs: MetricInputs) -> float:
    """At least 0; larger than that of all samples, by the bias of fewer."""
    return of_some(inputs, max(2, len(inputs.all_generated) // 2), 0)


@metric(
    f"{FRECHET_DISTANCE}_infinity",
    "Fréchet distance of infinitely many samples, extrapolated",
    better="lower",
    needs="features",
    settings=f"{COUNTS} counts from {LEAST} of the samples to all, a line over 1 / count",
    on_request=True,
)
def of_infinitely_many(inputs: MetricInputs) -> float:
    """The distance without the bias of the generated samples' number; slightly below 0 by chance only."""
    total = len(inputs.all_generated)
    counts = np.linspace(max(2, LEAST * total), total, COUNTS).astype(int)
    root = symmetric_root(inputs.real_moments.covariance)
    distances = [of_some(inputs, int(count), number, root) for number, count in enumerate(counts)]
    return at_infinity(counts, np.array(distances))


def of_some(inputs: MetricInputs, count: int, draw: int, root: np.ndarray | None = None) -> float:
    """Fréchet distance of so many of the generated samples to all real ones.

    Parameters
    ----------
    inputs : MetricInputs
        The samples.
    count : int
        Number of generated samples, at least 2.
    draw : int
        Number of the draw that chooses them.
    root : ndarray, optional
        The symmetric root of the real samples' covariance, if it is computed already.
    """
    features = inputs.all_generated
    chosen = np.sort(fixed_draws.permutation(draw, len(features))[:count])
    moments = Moments(features.shape[1], inputs.generated_moments.name).update(features[chosen])
    return frechet_distance(inputs.real_moments, moments, root=root)


def at_infinity(counts: np.ndarray, distances: np.ndarray) -> float:
    """Intercept of the least-squares line through distances over 1 / counts; arrays (N,), N at least 2."""
    _, intercept = np.polyfit(1 / counts, distances, 1)
    return float(intercept)
