"""What is written to MLflow: runs, metrics in batches, artifacts."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

# a server that is away is noticed within seconds instead of minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import (  # noqa: E402
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException  # noqa: E402

POINTS = 1000  # MLflow's limit on the metrics of one call
PARAMS = 100
PARENT = "mlflow.parentRunId"
STUDY = "optuna.study"
TRIAL = "optuna.trial"
UNKNOWN = "RESOURCE_DOES_NOT_EXIST"

Point = tuple[str, int, float]  # name, step, value


def open_store(uri: str, results: Path) -> MlflowClient:
    """Open a tracking store; a SQLite store is created and migrated by one process at a time."""
    if not uri.startswith("sqlite:"):
        return MlflowClient(tracking_uri=uri)
    # MLflow tells of each step of a migration
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    results.mkdir(parents=True, exist_ok=True)
    with FileLock(results / ".mlflow.lock"):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def experiment_id(client: MlflowClient, uri: str, name: str, results: Path) -> str:
    """The id of an experiment, which is made where there is none; its artifacts lie below `results`."""
    for _ in range(2):
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        # a server chooses its own, portable place
        location = (results / "artifacts").as_uri() if uri.startswith("sqlite:") else None
        try:
            # tells MLflow's UI that these are training runs
            kind = {"mlflow.experimentKind": "custom_model_development"}
            made = client.create_experiment(name, artifact_location=location, tags=kind)
        except MlflowException:
            # another process may have made it in between
            continue
        return str(made)
    raise MlflowException(f"experiment {name!r} can neither be found nor made (was it deleted?)")


def create_run(client: MlflowClient, uri: str, description: Mapping[str, Any], results: Path) -> str:
    """Create the MLflow run of a description (as in run.json), with its tags."""
    config = description["config"]
    experiment = experiment_id(client, uri, config["experiment"], results)
    tags = {name: str(value) for name, value in tags_of(description).items()}
    return str(client.create_run(experiment, run_name=description["name"], tags=tags).info.run_id)


def describe_run(client: MlflowClient, run_id: str, description: Mapping[str, Any]) -> None:
    """Give a run the params and the data set of its description, where it has them not yet."""
    if client.get_run(run_id).data.params:
        return
    data = description["data"]
    entity = Dataset(
        name=data["name"],
        digest=data["hash"][:16],
        source_type="files",
        source=data["transform"],
        profile=None,
    )
    client.log_inputs(run_id, datasets=[DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
    send_params(client, run_id, description["config"])


def parent_run(client: MlflowClient, uri: str, description: Mapping[str, Any], results: Path) -> str:
    """The MLflow run above several ones; made where there is none, then running.

    Parameters
    ----------
    client : MlflowClient
        The store.
    uri : str
        Its address.
    description : mapping
        As :mod:`bench.tracking.parents` makes it: ``experiment``, ``name``, ``identity`` (the tag by
        which the run is found again, and its value), further ``tags``, ``params``, ``command``.
    results : Path
        Artifacts lie below it.
    """
    experiment = experiment_id(client, uri, description["experiment"], results)
    tag, identity = description["identity"]
    found = client.search_runs([experiment], f"tags.`{tag}` = '{identity}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
        client.update_run(run_id, status="RUNNING")
        return run_id
    tags = {tag: identity, **description["tags"], **_source(description["command"])}
    run_id = str(client.create_run(experiment, run_name=description["name"], tags=tags).info.run_id)
    send_params(client, run_id, description["params"])
    return run_id


def adopt(client: MlflowClient, parent: str, run_ids: Iterable[str]) -> None:
    """Put runs below a parent, unless they have one or the store does not know them."""
    for run_id in run_ids:
        run = known_run(client, run_id)
        if run and PARENT not in run.data.tags:
            send_tags(client, run_id, {PARENT: parent})


def known_run(client: MlflowClient, run_id: str) -> Run | None:
    """A run, or None where it was made without tracking or in another store, or was deleted."""
    try:
        run = client.get_run(run_id)
        return run if run.info.lifecycle_stage == "active" else None
    except MlflowException as error:
        if error.error_code == UNKNOWN:
            return None
        raise


def runs_below(client: MlflowClient, experiment: str, parent: str) -> list[Run]:
    """Every run right below a parent, oldest first."""
    found: list[Run] = []
    token = None
    while token != "":
        page = client.search_runs(
            [experiment],
            f"tags.`{PARENT}` = '{parent}'",
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found += page
        token = page.token or ""
    return found


def _source(command: Iterable[str]) -> dict[str, str]:
    return {
        "mlflow.user": psutil.Process().username(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": "bench " + " ".join(command),
    }


def tags_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of a run's description."""
    config, environment = description["config"], description["environment"]
    facts = {
        f"environment.{name}": value
        for name, value in environment.items()
        if name not in ("packages", "commit")
    }
    packages = {f"package.{name}": value for name, value in environment["packages"].items()}
    return {
        "variant": config["variant"],
        "dataset": config["dataset"],
        "preset": config["preset"],
        "seed": config["seed"],
        "source.commit": environment["commit"],
        "config.hash": description["config_hash"],
        "data.hash": description["data"]["hash"],
        "metric.protocol": description["protocol"],
        "mlflow.source.git.commit": environment["commit"],
        **_source(description["command"]),
        **({PARENT: description["parent"]} if "parent" in description else {}),
        **({} if "study" not in description else trial_tags(**description["study"])),
        **facts,
        **packages,
    }


def trial_tags(name: str, trial: int) -> dict[str, str]:
    """The tags of everything that belongs to a study's trial."""
    return {STUDY: name, TRIAL: str(trial)}


def latest_steps(client: MlflowClient, run_id: str) -> dict[str, int]:
    """The last step that the store has of each metric."""
    return {metric.key: int(metric.step) for metric in client.get_run(run_id).data.to_proto().metrics}


def tag(client: MlflowClient, run_id: str, name: str) -> str:
    """A tag of a run, or "" where it has none of that name."""
    return str(client.get_run(run_id).data.tags.get(name, ""))


def sent_steps(client: MlflowClient, run_id: str, name: str) -> set[int]:
    """The steps that the store has of a metric."""
    return {int(metric.step) for metric in client.get_metric_history(run_id, name)}


def send_points(client: MlflowClient, run_id: str, points: Iterable[Point]) -> None:
    """Log metric points, many at a time; returns when the store has them."""
    now = int(time.time() * 1000)
    for batch in batched(points, POINTS):
        metrics = [Metric(name, value, now, step) for name, step, value in batch]
        client.log_batch(run_id, metrics=metrics, synchronous=True)


def send_tags(client: MlflowClient, run_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags."""
    client.log_batch(run_id, tags=[RunTag(name, str(value)) for name, value in tags.items()])


def send_params(client: MlflowClient, run_id: str, values: Mapping[str, Any]) -> None:
    """Set params, each of which stands once it is set."""
    params = [Param(name, "" if value is None else str(value)) for name, value in values.items()]
    for batch in batched(params, PARAMS):
        client.log_batch(run_id, params=batch)


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
