"""Mean and covariance of feature vectors, accumulated over batches."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from bench.system.errors import WorkError


class Moments:
    """Count, mean and covariance of feature vectors, accumulated batch by batch in float64.

    Batches are joined by Chan, Golub and LeVeque's update (1979), which keeps deviations from the mean and so
    loses no digits when features lie far from 0.

    Parameters
    ----------
    width : int
        Length of a feature vector.
    name : str
        Name of the set of samples, for error messages.
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
            raise WorkError(f"{self.name}: a covariance needs at least 2 samples, not {self.count}")
        return self.scatter / (self.count - 1)

    def update(self, features: Tensor | np.ndarray) -> Moments:
        """Add a batch of features (N, width), N may be 0; return this object.

        Raises
        ------
        WorkError
            If a feature is NaN or infinite; the batch is then not added.
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
                f"{self.name}: NaN or infinite features for {len(broken)} samples, first sample {first}"
            )
        if len(batch):
            mean = batch.mean(axis=0)
            centred = batch - mean
            self._join(len(batch), mean, centred.T @ centred)
        return self

    def merge(self, other: Moments) -> Moments:
        """Add the vectors of `other`, of the same width; return this object."""
        if other.width != self.width:
            raise ValueError(f"{self.name} has features of width {self.width}, {other.name} of {other.width}")
        if other.count:
            self._join(other.count, other.mean, other.scatter)
        return self

    def without(self, part: Moments) -> Moments:
        """Moments with the subset `part`, which is not all of them, removed."""
        rest = Moments(self.width, self.name)
        rest.count = self.count - part.count
        rest.mean = self.mean + (self.mean - part.mean) * (part.count / rest.count)
        shift = part.mean - rest.mean
        joint = np.outer(shift, shift) * (rest.count * part.count / self.count)
        rest.scatter = self.scatter - part.scatter - joint
        return rest

    def _join(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        total = self.count + count
        shift = mean - self.mean
        self.scatter = self.scatter + scatter + np.outer(shift, shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total


def too_few(count: int, width: int) -> bool:
    """Whether the covariance of `width` features of `count` samples is singular."""
    return count <= width
