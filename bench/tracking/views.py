"""Opens MLflow's page of an experiment with chosen columns and charts.

MLflow keeps a view that a person shares as a tag of the experiment, and a link names the tag. The tag written
here is such a view.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.system.json_values import Json

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY = "bench"
TAG = f"mlflow.sharedViewState.{KEY}"
SECTION = "compared"


def link(server: str, experiment_id: str) -> str:
    """Return the address of an experiment's page with the shared view; a table of runs."""
    page = f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs"
    # the other type of work has pages for prompts and agents beside the runs
    return f"{page}?workflowType=machine_learning&viewStateShareKey={KEY}"


def chart_link(server: str, experiment_id: str) -> str:
    """Return the address of the same page as charts."""
    return f"{link(server, experiment_id)}&compareRunsMode=CHART"


def share(client: "MlflowClient", experiment: str, metrics: Sequence[str], tags: Sequence[str]) -> str | None:
    """Set the shared view of an experiment; return the experiment's id, or None if the store lacks it.

    Parameters
    ----------
    client : MlflowClient
        The store.
    experiment : str
        Name of the experiment.
    metrics, tags : sequence of str
        Names in the store, in the order of the columns. Each metric has a chart above all others.
    """
    found = client.get_experiment_by_name(experiment)
    if found is None or found.lifecycle_stage != "active":
        return None
    text = json.dumps(_view(metrics, tags))
    if found.tags.get(TAG) != text:
        client.set_experiment_tag(found.experiment_id, TAG, text)
    return str(found.experiment_id)


def _view(metrics: Sequence[str], tags: Sequence[str]) -> dict[str, Json]:
    """Return the view as MLflow's pages keep it."""
    # a metric's name is longer than its values, a tag's value longer than its name
    widths = {f"metrics.`{name}`": max(100, 24 + 8 * len(name)) for name in metrics}
    widths |= {f"tags.`{name}`": 150 for name in tags}
    return {
        # runs that were trained, without those above them, so that no row has to be opened
        "searchFilter": "tags.seed LIKE '%'",
        # equal variants stand together
        "orderByKey": "tags.`mlflow.runName`",
        "orderByAsc": True,
        "selectedColumns": list(widths),
        "columnOrder": list(widths),
        "columnWidths": widths,
        "compareRunSections": [
            {"uuid": SECTION, "name": SECTION, "display": True, "isReordered": True, "deleted": False}
        ],
        "compareRunCharts": [_chart(name) for name in metrics],
        # leaves the section in its place, above the groups of all metrics
        "isAccordionReordered": True,
    }


def _chart(metric: str) -> Json:
    return {
        "type": "LINE",
        "uuid": metric,
        "metricSectionId": SECTION,
        "metricKey": metric,
        "displayName": metric,
        "deleted": False,
        "isGenerated": True,
        "runsCountToCompare": 20,
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
