"""What an extractor saw of one set of samples, gathered batch by batch: all that metrics know of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import copy
from typing import Any

import numpy as np
from torch import Tensor

from bench.judging.classes import ClassShares
from bench.judging.modes import ModeShares
from bench.judging.moments import Moments
from bench.judging.protocol import Extractor, Seen

PICTURES_KEPT = 500  # images whose pixels are kept: 250 pairs


class Observation:
    """One set of samples, as an extractor saw it.

    Parameters
    ----------
    extractor : Extractor
        Who looks.
    name : str
        Whose samples they are; errors say it.
    kept : int
        Features of so many samples are kept, the first ones, and pictures of the first 500 unless it is 0;
        moments and shares are of all.

    Attributes
    ----------
    moments : Moments
        Of all features.
    classes : ClassShares
        Predicted classes of all samples; empty where the extractor predicts none.
    modes : ModeShares
        Known modes of all samples; empty where the extractor knows none.
    """

    def __init__(self, extractor: Extractor, name: str, kept: int) -> None:
        self.moments = Moments(extractor.width, name)
        self.classes = ClassShares()
        self.modes = ModeShares(extractor.mode_count)
        self._kept = kept
        self._known: dict[Hashable, Any] = {}
        self._features: list[np.ndarray] = []
        self._pictures: list[np.ndarray] = []
        self._pictures_kept = PICTURES_KEPT if kept and "images" in extractor.gives else 0

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.moments.count

    @property
    def features(self) -> np.ndarray:
        """Features of the first samples, float32 (kept or fewer, width)."""
        return np.concatenate(self._features) if self._features else np.zeros((0, self.moments.width))

    @property
    def pictures(self) -> np.ndarray:
        """The first 500 images or fewer, uint8 (N, C, H, W); none of points."""
        return np.concatenate(self._pictures) if self._pictures else np.zeros((0, 1, 1, 1), dtype=np.uint8)

    def once(self, what: Hashable, compute: Callable[[], Any]) -> Any:
        """Compute something of these samples when first asked for it; real ones are compared with often."""
        if what not in self._known:
            self._known[what] = compute()
        return self._known[what]

    def update(self, samples: Tensor, seen: Seen) -> None:
        """Take in a batch of samples as they are stored, and what the extractor saw of them.

        Raises
        ------
        WorkError
            If a feature or a probability is NaN or infinite.
        """
        have = self.count
        self.moments.update(seen.features)
        if seen.probabilities is not None:
            self.classes.update(seen.probabilities)
        if seen.modes is not None:
            self.modes.update(seen.modes, seen.on_mode)
        if have < self._kept:
            self._features.append(seen.features[: self._kept - have].numpy().astype(np.float32))
        if have < self._pictures_kept:
            self._pictures.append(samples[: self._pictures_kept - have].numpy())

    def keep(self, features: np.ndarray) -> None:
        """Keep these features, float32 (N, width), in place of the first samples'."""
        self._features = [features]

    def without(self, part: Observation) -> Observation:
        """These samples less those of `part`, which are some of them, but none whose features are kept."""
        rest = copy(self)
        rest.moments = self.moments.without(part.moments)
        rest.classes = self.classes.without(part.classes)
        rest.modes = self.modes.without(part.modes)
        rest._known = {}
        return rest

    def merge(self, other: Observation) -> None:
        """Take in what the same extractor saw of the samples that follow these."""
        have = self.count
        self.moments.merge(other.moments)
        self.classes.merge(other.classes)
        self.modes.merge(other.modes)
        if have < self._kept:
            self._features.append(other.features[: self._kept - have])
        if have < self._pictures_kept and len(other.pictures):
            self._pictures.append(other.pictures[: self._pictures_kept - have])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that it holds, as named arrays."""
        return {
            "count": np.array([self.moments.count], dtype=np.int64),
            "mean": self.moments.mean,
            "scatter": self.moments.scatter,
            "hard": self.classes.hard,
            "confident": self.classes.confident,
            "summed": self.classes.summed,
            "entropy": np.array([self.classes.entropy]),
            "nearest": self.modes.nearest,
            "on_mode": self.modes.on_mode,
            "features": self.features,
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Hold what `arrays` gave.

        Raises
        ------
        KeyError, ValueError
            If they are not those of such an extractor.
        """
        width, modes = self.moments.width, len(self.modes.nearest)
        self.moments.count = int(arrays["count"][0])
        self.moments.mean, self.moments.scatter = arrays["mean"], arrays["scatter"]
        self.classes.hard, self.classes.confident = arrays["hard"], arrays["confident"]
        self.classes.summed, self.classes.entropy = arrays["summed"], float(arrays["entropy"][0])
        self.modes.nearest, self.modes.on_mode = arrays["nearest"], arrays["on_mode"]
        if self.moments.mean.shape != (width,) or self.moments.scatter.shape != (width, width):
            raise ValueError("the width differs")
        if self.modes.nearest.shape != (modes,):
            raise ValueError("the number of modes differs")
        self.keep(arrays["features"])
