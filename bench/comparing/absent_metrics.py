"""Why a table has no column of a metric, and how its values can be had."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.comparing.numbers import listed
from bench.comparing.scalars import of_runs
from bench.judging.extractors import names_by_metric
from bench.judging.metrics import all_metrics
from bench.judging.metrics.registry import distances_of
from bench.judging.protocol import Requirement
from bench.system.errors import RequestError, unknown

# what a run lacks that has no metric with this requirement
_NEEDED: Mapping[Requirement, str] = {
    "features": "features of its samples",
    "images": "images",
    "classes": "an extractor that predicts classes",
    "modes": "data with known modes",
    "quality": "points with known modes",
    "labels": "a conditional variant whose classes the extractor knows",
    "held-out": "held-out real samples, with which `bench eval` measures",
}


def absent_metric(metric: str, frame: pd.DataFrame, known: Sequence[str]) -> RequestError:
    """Return the error of a metric that no run has.

    Parameters
    ----------
    metric : str
        Name that the user typed.
    frame : DataFrame
        Runs, as :func:`bench.comparing.frame.results` gives them.
    known : sequence of str
        The numbers of these runs that can be compared.

    Returns
    -------
    RequestError
        Of a metric of another extractor, or of one that the runs did not measure, the message says what the
        runs were judged by and which command measures the metric. A misspelt name is refused with those there
        are.
    """
    if metric in of_runs(frame):
        return RequestError(
            f"{metric} is a scalar of training that selects no checkpoints: tables compare "
            f"{', '.join(known)}; bench plot draws the others"
        )
    extractor = names_by_metric().get(metric)
    if extractor is not None:
        return RequestError(
            f"no run has {metric}, which needs the extractor {extractor}: {_judges(frame)}. A finished run "
            f"is measured again by `bench eval RUN --metrics {metric}`; a new one has it with "
            f"--set extractor={extractor}, once `bench doctor` finds that extractor"
        )
    entry = {each.name: each for each in all_metrics()}.get(metric)
    if any(metric in distances_of(distance) for distance in names_by_metric()) or (
        entry and entry.on_request
    ):
        return RequestError(
            f"no run has {metric}, which is measured on request only: `bench eval RUN --metrics {metric}`; "
            f"tables compare {', '.join(known)}"
        )
    if entry is not None:
        needs = entry.needs
        return RequestError(
            f"no run has {metric}, which needs {_NEEDED[needs]}: {_judges(frame)}; tables compare "
            f"{', '.join(known)}"
        )
    return unknown("metric", metric, known)


def _judges(frame: pd.DataFrame) -> str:
    """Say which networks judged the runs, with the names of their distances."""
    pairs = frame[["protocol", "metric"]].drop_duplicates().itertuples(index=False)
    names = dict.fromkeys(
        f"{str(protocol).partition('@')[0]} ({metric})" if metric else "no judge (extractor none)"
        for protocol, metric in pairs
    )
    return f"the runs were judged by {listed([*names])}"
