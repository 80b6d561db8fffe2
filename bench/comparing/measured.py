"""The metrics that runs measured: what each run's description says of them, kept in a frame of runs.

A frame has the column ``metrics``, so that a table needs no metric's definition, which may be in a package
that is not installed.
"""

from collections.abc import Mapping
from functools import lru_cache

import pandas as pd
from pydantic import TypeAdapter

from bench.judging.metrics import better_direction, is_metric
from bench.judging.protocol import Better
from bench.runs.description import MetricDeclaration

METRICS = "metrics"  # the column

_CELL = TypeAdapter(dict[str, MetricDeclaration])


def to_cell(metrics: Mapping[str, MetricDeclaration]) -> str:
    """Return the cell of the column ``metrics`` for a run, as JSON."""
    return _CELL.dump_json(dict(metrics)).decode()


@lru_cache(maxsize=1000)
def _from_cell(cell: str) -> dict[str, MetricDeclaration]:
    return _CELL.validate_json(cell)


def metrics_of_run(run: pd.Series) -> Mapping[str, MetricDeclaration]:
    """Return the metrics of a row by name; none where a reader's own frame lacks the column."""
    cell = run.get(METRICS)
    return _from_cell(cell) if isinstance(cell, str) else {}


def metrics_of_runs(frame: pd.DataFrame) -> dict[str, MetricDeclaration]:
    """Return the metrics of all rows by name, in order; of several runs the first counts."""
    found: dict[str, MetricDeclaration] = {}
    for cell in frame[METRICS].unique() if METRICS in frame else ():
        if isinstance(cell, str):
            found = {**_from_cell(cell), **found}
    return found


def is_judged(run: pd.Series, name: str) -> bool:
    """Whether the run of a row measured a metric; in a reader's own frame, whether there is such a metric."""
    return name in metrics_of_run(run) if METRICS in run else is_metric(name)


def better_of(name: str, frame: pd.DataFrame) -> Better:
    """Return the direction of better values of a metric.

    Raises
    ------
    ValueError
        If there is no such metric.
    """
    declared = metrics_of_runs(frame).get(name)
    return better_direction(name) if declared is None else declared.better
