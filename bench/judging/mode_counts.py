"""Counts of samples by known mode, accumulated batch by batch."""

from __future__ import annotations

import numpy as np
from torch import Tensor


class ModeCounts:
    """Counts of a set of samples by mode.

    Parameters
    ----------
    modes : int
        Number of modes; 0 where none are known.

    Attributes
    ----------
    nearest : ndarray
        int64 (modes,): number of samples whose nearest, or most probable, mode this is.
    on_mode : ndarray
        int64 (modes,): number of those that lie well on the mode; all, where the data has no such rule.
    """

    def __init__(self, modes: int) -> None:
        self.nearest: np.ndarray = np.zeros(modes, dtype=np.int64)
        self.on_mode: np.ndarray = np.zeros(modes, dtype=np.int64)

    @property
    def count(self) -> int:
        """Number of samples."""
        return int(self.nearest.sum())

    def update(self, modes: Tensor, on_mode: Tensor | None) -> None:
        """Add the modes of a batch, int64 (N,), and whether each sample lies well on its mode, bool (N,)."""
        found = modes.numpy()
        size = len(self.nearest)
        good = found if on_mode is None else found[on_mode.numpy()]
        self.nearest = self.nearest + np.bincount(found, minlength=size)
        self.on_mode = self.on_mode + np.bincount(good, minlength=size)

    def merge(self, other: ModeCounts) -> None:
        """Add the counts of further samples."""
        self.nearest, self.on_mode = self.nearest + other.nearest, self.on_mode + other.on_mode

    def without(self, part: ModeCounts) -> ModeCounts:
        """Counts with the subset `part` removed."""
        rest = ModeCounts(len(self.nearest))
        rest.nearest, rest.on_mode = self.nearest - part.nearest, self.on_mode - part.on_mode
        return rest
