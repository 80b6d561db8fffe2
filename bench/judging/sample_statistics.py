"""Statistics of one set of samples, accumulated batch by batch from an extractor's results."""

from __future__ import annotations

from copy import copy

import numpy as np
from torch import Tensor

from bench.judging.agreement import Agreement
from bench.judging.class_splits import ClassSplits
from bench.judging.class_statistics import ClassStatistics
from bench.judging.mode_counts import ModeCounts
from bench.judging.moments import Moments
from bench.judging.protocol import Extraction, Extractor, class_names_of

IMAGES_KEPT = 500  # 250 pairs


class SampleStatistics:
    """Moments of the features, class statistics and mode counts of a set of samples.

    Parameters
    ----------
    extractor : Extractor
        The extractor of all batches.
    name : str
        Name of the set, for error messages.
    kept : int
        Number of samples, the first ones, whose features are kept; unless it is 0, the first 500 images are
        kept too. Moments, class statistics and mode counts are of all samples.
    total : int
        Number of samples of the whole set, which is cut into ten parts; 0 for a set that is not cut.
    first : int
        Position in the whole set of the first sample to come.

    Attributes
    ----------
    moments : Moments
        Of all features.
    classes : ClassStatistics
        Of all samples; empty for an extractor without classes.
    splits : ClassSplits
        Predicted classes of ten parts of the set; not kept in files, and not reduced by :meth:`without`.
    modes : ModeCounts
        Of all samples; empty where no modes are known.
    agreement : Agreement
        Of all labelled samples; not kept in files, and not reduced by :meth:`without`.
    """

    def __init__(self, extractor: Extractor, name: str, kept: int, total: int = 0, first: int = 0) -> None:
        self.moments = Moments(extractor.width, name)
        self.classes = ClassStatistics()
        self.splits = ClassSplits(total, first)
        self.modes = ModeCounts(extractor.mode_count)
        self.agreement = Agreement(len(class_names_of(extractor)))
        self._kept = kept
        self._features: list[np.ndarray] = []
        self._images: list[np.ndarray] = []
        self._images_kept = IMAGES_KEPT if kept and "images" in extractor.provides else 0

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.moments.count

    @property
    def features(self) -> np.ndarray:
        """Features of the first samples, float32 (kept or fewer, width)."""
        return np.concatenate(self._features) if self._features else np.zeros((0, self.moments.width))

    @property
    def images(self) -> np.ndarray:
        """The first 500 images or fewer, uint8 (N, C, H, W); none of points."""
        return np.concatenate(self._images) if self._images else np.zeros((0, 1, 1, 1), dtype=np.uint8)

    def update(self, samples: Tensor, extraction: Extraction, asked: Tensor | None = None) -> None:
        """Add a batch of samples, as files hold them, with the extractor's result for them.

        Parameters
        ----------
        samples, extraction
            The samples and the result.
        asked : Tensor, optional
            The extractor's class that each sample was asked for, int64 (N,).

        Raises
        ------
        WorkError
            If a feature or a probability is NaN or infinite.
        """
        before = self.count
        self.moments.update(extraction.features)
        if extraction.probabilities is not None:
            self.classes.update(extraction.probabilities)
            self.splits.update(extraction.probabilities)
        if extraction.modes is not None:
            self.modes.update(extraction.modes, extraction.on_mode)
        if asked is not None:
            found = extraction.modes
            if found is None:
                assert extraction.probabilities is not None
                found = extraction.probabilities.argmax(dim=1)
            self.agreement.update(asked, found)
        if before < self._kept:
            self._features.append(extraction.features[: self._kept - before].numpy().astype(np.float32))
        if before < self._images_kept:
            self._images.append(samples[: self._images_kept - before].numpy())

    def set_features(self, features: np.ndarray) -> None:
        """Keep these features, float32 (N, width), in place of the first samples'."""
        self._features = [features]

    def without(self, part: SampleStatistics) -> SampleStatistics:
        """Statistics with the subset `part` removed; no sample of `part` may have its features kept here."""
        rest = copy(self)
        rest.moments = self.moments.without(part.moments)
        rest.classes = self.classes.without(part.classes)
        rest.modes = self.modes.without(part.modes)
        return rest

    def merge(self, other: SampleStatistics) -> None:
        """Add the statistics of the samples that follow these, by the same extractor."""
        before = self.count
        self.moments.merge(other.moments)
        self.classes.merge(other.classes)
        self.splits.merge(other.splits)
        self.modes.merge(other.modes)
        self.agreement.merge(other.agreement)
        if before < self._kept:
            self._features.append(other.features[: self._kept - before])
        if before < self._images_kept and len(other.images):
            self._images.append(other.images[: self._images_kept - before])

    def arrays(self) -> dict[str, np.ndarray]:
        """All statistics, without the images, as named arrays for a file."""
        return {
            "count": np.array([self.moments.count], dtype=np.int64),
            "mean": self.moments.mean,
            "scatter": self.moments.scatter,
            "predicted": self.classes.predicted,
            "confident": self.classes.confident,
            "probability_sums": self.classes.probability_sums,
            "entropy_sum": np.array([self.classes.entropy_sum]),
            "nearest": self.modes.nearest,
            "on_mode": self.modes.on_mode,
            "features": self.features,
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Replace all statistics by those of :meth:`arrays`.

        Raises
        ------
        KeyError, ValueError
            If the arrays are not those of such an extractor.
        """
        width, modes = self.moments.width, len(self.modes.nearest)
        self.moments.count = int(arrays["count"][0])
        self.moments.mean, self.moments.scatter = arrays["mean"], arrays["scatter"]
        self.classes.predicted, self.classes.confident = arrays["predicted"], arrays["confident"]
        self.classes.probability_sums = arrays["probability_sums"]
        self.classes.entropy_sum = float(arrays["entropy_sum"][0])
        self.modes.nearest, self.modes.on_mode = arrays["nearest"], arrays["on_mode"]
        if self.moments.mean.shape != (width,) or self.moments.scatter.shape != (width, width):
            raise ValueError("the width differs")
        if self.modes.nearest.shape != (modes,):
            raise ValueError("the number of modes differs")
        self.set_features(arrays["features"])
