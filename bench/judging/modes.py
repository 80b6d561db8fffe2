"""Which known modes a set of samples shows, where the data has modes that are known."""

from __future__ import annotations

import numpy as np
from torch import Tensor


class ModeShares:
    """Counts of samples by mode, gathered batch by batch.

    Parameters
    ----------
    modes : int
        How many there are; 0 where none are known.

    Attributes
    ----------
    nearest : ndarray
        int64 (modes,): samples whose nearest, or most probable, mode it is.
    on_mode : ndarray
        int64 (modes,): those of them that lie well on it; all, where the data has no such rule.
    """

    def __init__(self, modes: int) -> None:
        self.nearest: np.ndarray = np.zeros(modes, dtype=np.int64)
        self.on_mode: np.ndarray = np.zeros(modes, dtype=np.int64)

    @property
    def count(self) -> int:
        """Number of samples."""
        return int(self.nearest.sum())

    def update(self, modes: Tensor, on_mode: Tensor | None) -> None:
        """Take in the modes of a batch, int64 (N,), and which samples lie well on theirs, bool (N,)."""
        found = modes.numpy()
        size = len(self.nearest)
        good = found if on_mode is None else found[on_mode.numpy()]
        self.nearest = self.nearest + np.bincount(found, minlength=size)
        self.on_mode = self.on_mode + np.bincount(good, minlength=size)

    def merge(self, other: ModeShares) -> None:
        """Take in the counts of further samples."""
        self.nearest, self.on_mode = self.nearest + other.nearest, self.on_mode + other.on_mode

    def without(self, part: ModeShares) -> ModeShares:
        """Counts of these samples less those of `part`, which are some of them."""
        rest = ModeShares(len(self.nearest))
        rest.nearest, rest.on_mode = self.nearest - part.nearest, self.on_mode - part.on_mode
        return rest
