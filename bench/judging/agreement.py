"""Agreement of the classes that samples were asked for with those that a classifier finds."""

from __future__ import annotations

import numpy as np
from torch import Tensor


class Agreement:
    """Counts of labelled samples by the class that they were asked for.

    Parameters
    ----------
    classes : int
        Number of classes of the classifier.

    Attributes
    ----------
    asked : ndarray
        int64 (classes,): number of samples that were asked for in this class; all 0 without labels.
    agreed : ndarray
        int64 (classes,): number of those that the classifier assigns to this class.
    """

    def __init__(self, classes: int) -> None:
        self.asked: np.ndarray = np.zeros(classes, dtype=np.int64)
        self.agreed: np.ndarray = np.zeros(classes, dtype=np.int64)

    def update(self, asked: Tensor, found: Tensor) -> None:
        """Add the classes that a batch of samples was asked for and those found, int64 (N,) each."""
        wanted, size = asked.numpy(), len(self.asked)
        self.asked = self.asked + np.bincount(wanted, minlength=size)
        self.agreed = self.agreed + np.bincount(wanted[wanted == found.numpy()], minlength=size)

    def merge(self, other: Agreement) -> None:
        """Add the counts of further samples."""
        self.asked, self.agreed = self.asked + other.asked, self.agreed + other.agreed

    def share(self, label: int | None = None) -> float:
        """Return the share of samples that agree, of one class or of all.

        A class that no sample was asked for has the share of all samples.
        """
        if label is None or not self.asked[label]:
            return float(self.agreed.sum() / self.asked.sum())
        return float(self.agreed[label] / self.asked[label])

    def lowest_share(self) -> float:
        """Return the lowest share over the classes that samples were asked for."""
        present = self.asked > 0
        return float((self.agreed[present] / self.asked[present]).min())
