"""Deletes runs from a tracking store for good: metrics, params, tags, artifacts and logged models."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from bench.tracking import store
from bench.tracking.opening import Store, deadline


class Eraser(Protocol):
    """What MLflow's database stores have for ``mlflow gc``; a server keeps deleted runs until then."""

    def _hard_delete_run(self, run_id: str) -> None: ...

    def _hard_delete_logged_model(self, model_id: str) -> None: ...


def delete_runs(opened: Store, run_ids: Iterable[str]) -> None:
    """Delete the runs of some folders; those that the store does not know are deleted already.

    Parameters
    ----------
    opened : Store
        The store.
    run_ids : iterable of str
        Ids of the folders.

    Raises
    ------
    MlflowException
        If the store cannot be reached or used.
    """
    for run_id in run_ids:
        if run := store.find_run(opened.client, run_id):
            _delete(opened.client, run)


def delete_study(opened: Store, study: str) -> None:
    """Delete every run of a study: its own, those of its trials, and those below them."""
    client = opened.client
    query = f"tags.`{store.STUDY}` = '{study}'"
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        # a page at a time, since the list shrinks
        while found := client.search_runs([experiment.experiment_id], query, ViewType.ALL):
            before = {run.info.run_id for run in found}
            for run in found:
                _delete(client, run)
            left = client.search_runs([experiment.experiment_id], query, ViewType.ALL)
            if {run.info.run_id for run in left} == before:
                # a server keeps them, marked as deleted
                break


def _delete(client: MlflowClient, run: Run) -> None:
    """Delete a run; artifacts first, so that a run whose deletion was cut off is found again."""
    run_id, eraser = run.info.run_id, _eraser(client)
    for model in list(_models(client, run)):
        _delete_artifacts(model.artifact_location, model.model_id)
        client.delete_logged_model(model.model_id)
        if eraser:
            with deadline():
                eraser._hard_delete_logged_model(model.model_id)
    if run.info.artifact_uri:
        _delete_artifacts(run.info.artifact_uri, run_id)
    if run.info.lifecycle_stage == "active":
        client.delete_run(run_id)
    if eraser:
        with deadline():
            eraser._hard_delete_run(run_id)


def _models(client: MlflowClient, run: Run) -> Iterator[Any]:
    token: str | None = None
    while token != "":
        found = client.search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", page_token=token
        )
        yield from found
        token = found.token or ""


def _delete_artifacts(location: str, owner: str) -> None:
    """Delete a folder of artifacts, wherever it lies; one that is not there is deleted already."""
    if is_local_uri(location):
        folder = Path(local_file_uri_to_path(location))
        # MLflow's folder of a run or model has the artifacts in a subfolder
        whole = folder.parent if folder.parent.name == owner else folder
        if whole.exists():
            shutil.rmtree(whole)
        return
    with deadline():
        try:
            get_artifact_repository(location).delete_artifacts()
        except FileNotFoundError:
            pass
        except MlflowException as error:
            if error.error_code != store.UNKNOWN:
                raise


def _eraser(client: MlflowClient) -> Eraser | None:
    """Return the store's functions that erase for good, if it has them."""
    backend: Callable[..., Any] | Any = client._tracking_client.store
    return cast(Eraser, backend) if hasattr(backend, "_hard_delete_run") else None
