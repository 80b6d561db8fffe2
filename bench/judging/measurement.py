"""What a judge hands back, in plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

CLASSES_COVERED = "classes_covered"
EFFECTIVE_CLASSES = "effective_classes"
HIGHER_IS_BETTER = frozenset({CLASSES_COVERED, EFFECTIVE_CLASSES})


@dataclass(frozen=True)
class ClassCounts:
    """How many classes a set of images shows.

    Attributes
    ----------
    classes_covered : int
        See `covered`.
    effective_classes : float
        See `effective_classes`; between 1 and the network's number of classes.
    """

    classes_covered: int
    effective_classes: float


@dataclass(frozen=True)
class Measurement:
    """One judging of a sampler.

    Attributes
    ----------
    values : mapping of str to float
        Metric name to number: the extractor's Fréchet distance, `classes_covered`, `effective_classes`.
    reference : ClassCounts
        The same counts for the real images.
    """

    values: Mapping[str, float]
    reference: ClassCounts

    @property
    def classes_covered(self) -> int:
        """Classes of the reference that the sampler shows with confidence."""
        return int(self.values[CLASSES_COVERED])

    @property
    def effective_classes(self) -> float:
        """Exponential of the entropy of the predicted classes."""
        return float(self.values[EFFECTIVE_CLASSES])


def better_direction(metric: str) -> Literal["lower", "higher"]:
    """Which values of a metric are better: higher class counts, lower distances and lower M."""
    return "higher" if metric in HIGHER_IS_BETTER else "lower"


def effective_classes(shares: Sequence[float]) -> float:
    """Exponential of the entropy of class shares, which sum to 1.

    From 1 (one class) to the number of classes (all equal).
    """
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))
