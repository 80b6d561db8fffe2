"""The registry of metrics: the name of each, which direction is better and what the metric needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.judging.metric_inputs import MetricInputs
from bench.judging.protocol import Better, Extractor, Requirement

# These two are recorded under names that say whose features they are: `fid` or `fd_NAME`, and
# `inception_score` or `is_NAME`.
FRECHET_DISTANCE = "frechet_distance"
INCEPTION_SCORE = "inception_score"


@dataclass(frozen=True)
class Metric:
    """One number that a judge measures.

    Attributes
    ----------
    name : str
        Its name in the registry; `recorded_as` returns that of records, tables and the tracking store.
    title : str
        Its meaning, in one line.
    better : {"lower", "higher"}
        Which values are better.
    needs : str
        What the extractor must provide.
    settings : str
        Constants that decide its value, for the protocol; empty where there are none.
    revision : int
        Raised by one whenever a change of code changes its values: scores of real samples that an earlier
        revision cached are then measured again.
    compute : callable
        Computes the value.
    """

    name: str
    title: str
    better: Better
    needs: Requirement
    settings: str
    revision: int
    compute: Callable[[MetricInputs], float]

    def recorded_as(self, extractor: Extractor) -> str:
        """The name of its values on an extractor's features."""
        if self.name == FRECHET_DISTANCE:
            return extractor.metric
        if self.name == INCEPTION_SCORE and extractor.metric != "fid":
            return "is_" + extractor.metric.removeprefix("fd_")
        return self.name


_METRICS: dict[str, Metric] = {}


def metric(
    name: str, title: str, *, better: Better, needs: Requirement, settings: str = "", revision: int = 1
) -> Callable[[Callable[[MetricInputs], float]], Callable[[MetricInputs], float]]:
    """Register a function as a metric; the fields are those of :class:`Metric`."""

    def register(compute: Callable[[MetricInputs], float]) -> Callable[[MetricInputs], float]:
        _METRICS[name] = Metric(name, title, better, needs, settings, revision, compute)
        return compute

    return register


def all_metrics() -> tuple[Metric, ...]:
    """Every metric, in the order of their registration."""
    return tuple(_METRICS.values())


def metrics_for(extractor: Extractor) -> tuple[Metric, ...]:
    """The metrics whose requirement an extractor meets."""
    return tuple(entry for entry in all_metrics() if entry.needs in extractor.provides)


def is_metric(recorded: str) -> bool:
    """Whether a recorded number is a metric, by its name."""
    return recorded in _METRICS or recorded == "fid" or recorded.startswith(("fd_", "is_"))


def better_direction(recorded: str) -> Better:
    """Direction of better values, by the recorded name: of M, losses and distances the lower ones."""
    if recorded in _METRICS:
        return _METRICS[recorded].better
    return "higher" if recorded.startswith("is_") else "lower"
