"""Mean and covariance over batches, and the Fréchet distance between two Gaussians.

Heusel et al. 2017, "GANs trained by a two time-scale update rule", equation 6:
``|m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))``.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from bench.errors import WorkError


class Moments:
    """Count, mean and covariance of feature vectors, gathered batch by batch in float64.

    Batches are joined by Chan, Golub and LeVeque's update (1979), which keeps deviations from the mean and so
    loses no digits when features lie far from 0.

    Parameters
    ----------
    width : int
        Length of a feature vector.
    name : str
        What the features belong to; errors say it.
    """

    def __init__(self, width: int, name: str = "features") -> None:
        self.name = name
        self.count = 0
        self.mean: np.ndarray = np.zeros(width)
        # sum of outer products of deviations from the mean
        self.scatter: np.ndarray = np.zeros((width, width))

    @property
    def width(self) -> int:
        """Length of a feature vector."""
        return len(self.mean)

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance (divided by count - 1), float64 (width, width).

        Raises
        ------
        WorkError
            If there are fewer than 2 vectors.
        """
        if self.count < 2:
            raise WorkError(f"{self.name}: a covariance needs at least 2 images, not {self.count}")
        return self.scatter / (self.count - 1)

    def update(self, features: Tensor | np.ndarray) -> Moments:
        """Take in a batch of features (N, width), N may be 0; returns itself.

        Raises
        ------
        WorkError
            If a feature is NaN or infinite; nothing of the batch is then taken in.
        ValueError
            If the shape is wrong.
        """
        values = features.detach().cpu().numpy() if isinstance(features, Tensor) else features
        batch = np.asarray(values, dtype=np.float64)
        if batch.ndim != 2 or batch.shape[1] != self.width:
            raise ValueError(
                f"{self.name}: features of shape {batch.shape} where (N, {self.width}) is needed"
            )
        broken = np.flatnonzero(~np.isfinite(batch).all(axis=1))
        if len(broken):
            first = self.count + int(broken[0])
            raise WorkError(
                f"{self.name}: NaN or infinite features for {len(broken)} images, first image {first}"
            )
        if len(batch):
            mean = batch.mean(axis=0)
            centred = batch - mean
            self._join(len(batch), mean, centred.T @ centred)
        return self

    def merge(self, other: Moments) -> Moments:
        """Take in what `other`, of the same width, has gathered; returns itself."""
        if other.width != self.width:
            raise ValueError(f"{self.name} has features of width {self.width}, {other.name} of {other.width}")
        if other.count:
            self._join(other.count, other.mean, other.scatter)
        return self

    def _join(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        total = self.count + count
        shift = mean - self.mean
        self.scatter = self.scatter + scatter + np.outer(shift, shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total


def frechet_distance(first: Moments, second: Moments) -> float:
    """Fréchet distance between the Gaussians with the two sets' moments.

    Parameters
    ----------
    first, second : Moments
        Of the same width, each from at least 2 images. The order does not matter.

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
    root = _symmetric_root(first.covariance)
    product = root @ second.covariance @ root
    trace_of_root = _roots(np.linalg.eigvalsh((product + product.T) / 2)).sum()
    shift = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(shift @ shift + traces - 2 * trace_of_root))


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * _roots(values)) @ vectors.T
    return root


def _roots(eigenvalues: np.ndarray) -> np.ndarray:
    # Below this an eigenvalue is rounding, of either sign. With fewer images than features most are, and the
    # roots of the positive ones would add up.
    rounding = eigenvalues.max(initial=0.0) * np.finfo(np.float64).eps
    return np.sqrt(np.where(eigenvalues > rounding, eigenvalues, 0.0))


def too_few(count: int, width: int) -> bool:
    """Whether `count` images are too few for a covariance of `width` features that is not singular."""
    return count <= width
