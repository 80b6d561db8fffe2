"""The Fréchet distance between two Gaussians with the moments of two sets of features.

Heusel et al. 2017, "GANs trained by a two time-scale update rule", equation 6:
``|m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))``. Not torchmetrics': its class keeps no moments to cache or
to merge, and its formula loses 1e-7 of the distance where samples are fewer than features.
"""

from __future__ import annotations

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import FRECHET_DISTANCE, metric
from bench.judging.moments import Moments


@metric(FRECHET_DISTANCE, "Fréchet distance to all real samples", better="lower", needs="features")
def of_samples(inputs: MetricInputs) -> float:
    """Fréchet distance between the generated samples and all real ones; at least 0."""
    return frechet_distance(inputs.generated_moments, inputs.real_moments)


@metric(
    f"{FRECHET_DISTANCE}_held_out",
    "Fréchet distance to held-out real samples",
    better="lower",
    needs="held-out",
)
def to_held_out(inputs: MetricInputs) -> float:
    """Fréchet distance between the generated samples and the held-out real ones; at least 0."""
    return frechet_distance(inputs.generated_moments, inputs.held_out.moments)


@metric(
    f"{FRECHET_DISTANCE}_gap",
    "Fréchet distance to held-out real samples less that to equally many training samples",
    better="lower",
    needs="held-out",
)
def gap(inputs: MetricInputs) -> float:
    """About 0 for samples that are as near to either; above 0 for copies of training samples."""
    generated, held_out = inputs.generated_moments, inputs.held_out
    to_training = frechet_distance(generated, held_out.matched_moments)
    return frechet_distance(generated, held_out.moments) - to_training


def frechet_distance(first: Moments, second: Moments, *, root: np.ndarray | None = None) -> float:
    """Fréchet distance between the Gaussians with the two sets' moments.

    Parameters
    ----------
    first, second : Moments
        Of the same width, each from at least 2 samples. The order does not matter.
    root : ndarray, optional
        Result of :func:`symmetric_root` for the covariance of `first`, for several distances to it; computed
        where not given.

    Returns
    -------
    float
        At least 0. It is biased upwards, the more so the fewer images: compare equal counts only.

    Raises
    ------
    WorkError
        If a set has fewer than 2 images.
    ValueError
        If the widths differ.

    Notes
    -----
    The trace of (C1 C2)^(1/2) is taken from C1^(1/2) C2 C1^(1/2), which has the same eigenvalues and is
    symmetric, so that no complex numbers arise. (Singular values of C1^(1/2) C2^(1/2) keep more digits, at
    twice the time; the difference stays below 1e-5 of the distance even where variances span ten orders of
    magnitude.)
    """
    if first.width != second.width:
        raise ValueError(f"{first.name} has features of width {first.width}, {second.name} of {second.width}")
    if root is None:
        root = symmetric_root(first.covariance)
    product = root @ second.covariance @ root
    trace_of_root = _roots(np.linalg.eigvalsh((product + product.T) / 2)).sum()
    shift = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(shift @ shift + traces - 2 * trace_of_root))


def symmetric_root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric matrix without negative eigenvalues, float64 (width, width)."""
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * _roots(values)) @ vectors.T
    return root


def _roots(eigenvalues: np.ndarray) -> np.ndarray:
    # Below this an eigenvalue is rounding, of either sign. With fewer images than features most are, and the
    # roots of the positive ones would add up.
    rounding = eigenvalues.max(initial=0.0) * np.finfo(np.float64).eps
    return np.sqrt(np.where(eigenvalues > rounding, eigenvalues, 0.0))
