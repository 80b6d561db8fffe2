"""What stands in the place of a judge where a run is not judged: `extractor: none`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np

from bench.judging.metrics import Metric
from bench.system.ranks import ALONE, Ranks
from bench.training.sampler import Sampler


class NoJudge:
    """Measures nothing, draws no samples, and loads no network.

    The attributes and methods are those of :class:`bench.judging.judge.Judge` that training needs: a run
    without a judge has neither metrics nor a distance, and takes the same steps.

    Parameters
    ----------
    ranks : Ranks
        The processes that train together.

    Attributes
    ----------
    metric, protocol : str
        Empty: there is neither a distance nor a protocol.
    paired : int
        0.
    metrics : mapping
        Empty.
    """

    metric = ""
    protocol = ""
    paired = 0
    extractor = None
    metrics: Mapping[str, Metric] = MappingProxyType({})

    def __init__(self, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks

    def measure(self, sampler: Sampler, names: Collection[str] | None = None) -> dict[str, float]:
        """Return no values; the sampler is not called."""
        return {}

    def score_real(self, samples: np.ndarray, labels: np.ndarray | None = None) -> dict[str, float]:
        """Return no values."""
        return {}
