"""The one list of metrics: what each is called, which way is better and what it needs to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.judging.comparison import Comparison
from bench.judging.protocol import Better, Evidence, Extractor

# These two are recorded under names that say whose features they are: `fid` or `fd_NAME`, and
# `inception_score` or `is_NAME`.
FRECHET_DISTANCE = "frechet_distance"
INCEPTION_SCORE = "inception_score"


@dataclass(frozen=True)
class Metric:
    """One number that a judge gives.

    Attributes
    ----------
    name : str
        Its name here; `recorded_as` is what tables and the tracking store call it.
    title : str
        What it is, in one line.
    better : {"lower", "higher"}
        Which values are better.
    needs : str
        What the extractor must give of the samples.
    settings : str
        What decides its value beside the samples, for the protocol; empty where nothing does.
    compute : callable
        Takes a :class:`bench.judging.comparison.Comparison`.
    """

    name: str
    title: str
    better: Better
    needs: Evidence
    settings: str
    compute: Callable[[Comparison], float]

    def recorded_as(self, extractor: Extractor) -> str:
        """The name of its values on an extractor's features."""
        if self.name == FRECHET_DISTANCE:
            return extractor.metric
        if self.name == INCEPTION_SCORE and extractor.metric != "fid":
            return "is_" + extractor.metric.removeprefix("fd_")
        return self.name


_METRICS: dict[str, Metric] = {}


def metric(
    name: str, title: str, *, better: Better, needs: Evidence, settings: str = ""
) -> Callable[[Callable[[Comparison], float]], Callable[[Comparison], float]]:
    """Register a function as a metric; the fields are those of :class:`Metric`."""

    def register(compute: Callable[[Comparison], float]) -> Callable[[Comparison], float]:
        _METRICS[name] = Metric(name, title, better, needs, settings, compute)
        return compute

    return register


def all_metrics() -> tuple[Metric, ...]:
    """Every metric, in the order of their registration."""
    return tuple(_METRICS.values())


def metrics_for(extractor: Extractor) -> tuple[Metric, ...]:
    """The metrics for which an extractor gives what they need."""
    return tuple(entry for entry in all_metrics() if entry.needs in extractor.gives)


def better_direction(recorded: str) -> Better:
    """Which values are better, by the recorded name; of M, losses and distances the lower ones."""
    if recorded in _METRICS:
        return _METRICS[recorded].better
    return "higher" if recorded.startswith("is_") else "lower"
