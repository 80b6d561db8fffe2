"""Writes to MLflow: runs, tags, params, metrics in batches, artifacts."""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import psutil
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from bench.runs.description import RunDescription
from bench.system.atomic_files import PREFIX
from bench.system.json_values import JsonScalar
from bench.tracking import notes
from bench.tracking.messages import ParentRun
from bench.tracking.opening import Store

POINTS = 1000  # MLflow's limit on the metrics of one call
PARAMS = 100
PARENT = "mlflow.parentRunId"
STUDY = "optuna.study"
TRIAL = "optuna.trial"
SOURCE = "mlflow.source.name"
RUN = "bench.run"  # id of the run's folder, by which the run is found in any store
EXTENDED = "extended"  # the steps that an extended run began with, and those that it has now
CONFIG_HASH = "config.hash"
UNKNOWN = "RESOURCE_DOES_NOT_EXIST"

Point = tuple[str, int, float]  # name, step, value
Item = TypeVar("Item")


def experiment_id(store: Store, name: str) -> str:
    """Return the id of an experiment, creating it if needed."""
    for _ in range(2):
        if found := store.client.get_experiment_by_name(name):
            return str(found.experiment_id)
        # a server chooses the location itself
        location = None if store.address.is_server else (store.results / "artifacts").as_uri()
        try:
            # tells MLflow's UI that these are training runs
            kind = {"mlflow.experimentKind": "custom_model_development"}
            made = store.client.create_experiment(name, artifact_location=location, tags=kind)
        except MlflowException as error:
            # another process may have created it meanwhile
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            continue
        return str(made)
    raise MlflowException(f"experiment {name!r} can neither be found nor made (was it deleted?)")


def create_run(store: Store, description: RunDescription, **tags: str) -> str:
    """Create the MLflow run of a description (as in run.json), with its tags and further ones."""
    experiment = experiment_id(store, description.config.experiment)
    every = {name: str(value) for name, value in (tags_of(description) | tags).items()}
    # the store may not know the parent of a run that is sent again
    if PARENT in every and known_run(store.client, every[PARENT]) is None:
        del every[PARENT]
    began = created(description)
    made = store.client.create_run(experiment, began, every, run_name=description.name)
    return str(made.info.run_id)


def find_run(client: MlflowClient, run_id: str) -> Run | None:
    """Return the run with this folder id in any store, or None.

    In the store of its first session the MLflow id is the same; elsewhere it is another one.
    """
    if run := _get_run(client, run_id):
        return run
    experiments = [e.experiment_id for e in _pages(lambda token: client.search_experiments(page_token=token))]
    found = client.search_runs(experiments, f"tags.`{RUN}` = '{run_id}'", max_results=1)
    return found[0] if found else None


def describe_run(client: MlflowClient, run_id: str, ours: str, description: RunDescription) -> None:
    """Set a run's folder id, name, params, data set and extension, unless the store has them."""
    run = client.get_run(run_id)
    data = run.data
    changed = {RUN: ours, **_extension_tags(description)}
    if any(data.tags.get(name) != value for name, value in changed.items()):
        send_tags(client, run_id, changed)
    # a run is created before it has an id; a person may have given another name since
    if run.info.run_name != description.name and description.name.startswith(run.info.run_name or ""):
        client.update_run(run_id, name=description.name)
    knobs, about = description.config.flat(), description.data
    if knobs.keys() <= data.params.keys():
        return
    entity = Dataset(
        name=about.name,
        digest=about.hash[:16],
        source_type="files",
        source=about.transform,
        profile=None,
    )
    client.log_inputs(run_id, datasets=[DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
    send_params(client, run_id, knobs)


def parent_run(store: Store, parent: ParentRun) -> str:
    """Find or create a parent run, mark the run as running, and return its id."""
    client = store.client
    experiment = experiment_id(store, parent.experiment)
    tag, identity = parent.identity
    found = client.search_runs([experiment], f"tags.`{tag}` = '{identity}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
        client.update_run(run_id, status="RUNNING")
        return run_id
    tags = {tag: identity, **parent.tags, **_source(parent.command)}
    run_id = str(client.create_run(experiment, run_name=parent.name, tags=tags).info.run_id)
    send_params(client, run_id, parent.params)
    notes.send(client, run_id, notes.of_parent(parent.command, ""))
    return run_id


def describe_parent(client: MlflowClient, run_id: str, text: str) -> None:
    """Set the description of a parent run: its results in Markdown, and its command."""
    words = shlex.split(client.get_run(run_id).data.tags.get(SOURCE, ""))
    notes.send(client, run_id, notes.of_parent(words[1:], text))


def adopt(client: MlflowClient, parent: str, run_ids: Iterable[str]) -> None:
    """Put runs below a parent, unless they have a parent or the store does not know them."""
    for run_id in run_ids:
        run = find_run(client, run_id)
        if run and run.info.lifecycle_stage == "active" and PARENT not in run.data.tags:
            send_tags(client, run.info.run_id, {PARENT: parent})


def known_run(client: MlflowClient, run_id: str) -> Run | None:
    """Return a run, or None if it was deleted or the store does not know it."""
    run = _get_run(client, run_id)
    return run if run and run.info.lifecycle_stage == "active" else None


def _get_run(client: MlflowClient, run_id: str) -> Run | None:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != UNKNOWN:
            raise
    return None


def runs_below(client: MlflowClient, experiment: str, parent: str) -> list[Run]:
    """Return every run directly below a parent, oldest first."""

    def page(token: str | None) -> PagedList[Run]:
        query = f"tags.`{PARENT}` = '{parent}'"
        order = ["attributes.start_time ASC"]
        return client.search_runs([experiment], query, order_by=order, page_token=token)

    return list(_pages(page))


def _pages(page: Callable[[str | None], PagedList[Item]]) -> Iterator[Item]:
    """Yield the items of all pages."""
    token = None
    while token != "":
        found = page(token)
        yield from found
        token = found.token or ""


def _source(command: Iterable[str]) -> dict[str, str]:
    return {
        "mlflow.user": psutil.Process().username(),
        "mlflow.source.type": "LOCAL",
        SOURCE: shlex.join(["bench", *command]),
    }


def tags_of(description: RunDescription) -> dict[str, JsonScalar]:
    """Return the tags of a run's description; MLflow's pages hide those that begin with ``mlflow.``."""
    config, commit, trial = description.config, description.environment.commit, description.study
    return {
        "variant": config.variant,
        "dataset": config.dataset,
        "preset": config.preset,
        "seed": config.seed,
        "source.commit": commit,
        CONFIG_HASH: description.config_hash,
        "data.hash": description.data.hash,
        "metric.protocol": description.protocol or "none",
        "mlflow.source.git.commit": commit,
        **_source(description.command),
        **({PARENT: description.parent} if description.parent else {}),
        **(trial_tags(trial.name, trial.trial) if trial else {}),
    }


def trial_tags(name: str, trial: int) -> dict[str, str]:
    """Return the tags of a trial's runs."""
    return {STUDY: name, TRIAL: str(trial)}


def _extension_tags(description: RunDescription) -> dict[str, str]:
    """Return the tags that say that a run was extended: MLflow keeps the param ``steps`` as it was."""
    if description.extended_from is None:
        return {}
    lengths = f"{description.extended_from.steps} -> {description.config.steps}"
    return {EXTENDED: lengths, CONFIG_HASH: description.config_hash}


def sent_steps(client: MlflowClient, run_id: str, name: str) -> set[int]:
    """Return the steps of a metric that the store has."""
    return {int(metric.step) for metric in client.get_metric_history(run_id, name)}


def created(description: RunDescription) -> int:
    """Return when a run began, in milliseconds since the epoch."""
    return int(datetime.fromisoformat(description.created).timestamp() * 1000)


def send_points(client: MlflowClient, run_id: str, points: Iterable[Point], began: int) -> None:
    """Log metric points, many at a time; returns when the store has them.

    A point's timestamp is the run's beginning plus one millisecond per step. The timestamp is part of the
    store's key, so a point that is sent twice is stored once.
    """
    for batch in batched(points, POINTS):
        metrics = [Metric(name, value, began + step, step) for name, step, value in batch]
        client.log_batch(run_id, metrics=metrics, synchronous=True)


def send_tags(client: MlflowClient, run_id: str, tags: Mapping[str, JsonScalar]) -> None:
    """Set tags."""
    client.log_batch(run_id, tags=[RunTag(name, str(value)) for name, value in tags.items()])


def send_params(client: MlflowClient, run_id: str, values: Mapping[str, JsonScalar]) -> None:
    """Set params, which MLflow never overwrites."""
    params = [Param(name, "" if value is None else str(value)) for name, value in values.items()]
    for batch in batched(params, PARAMS):
        client.log_batch(run_id, params=batch)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of at most `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def send_files(client: MlflowClient, run_id: str, folder: Path, below: str, present: bool = False) -> int:
    """Upload the files of a folder and return how many.

    Parameters
    ----------
    client : MlflowClient
        The store.
    run_id : str
        The MLflow run.
    folder : Path
        The folder; unfinished files of another process are left out.
    below : str
        Name of the folder in the store.
    present : bool
        Whether to leave out files that the store has with the same size.
    """
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith(PREFIX)]
    count = 0
    listed: dict[str, dict[str, int]] = {}
    for path in paths:
        home = "/".join([below, *path.relative_to(folder).parts[:-1]])
        if present and home not in listed:
            listed[home] = files_of(client, run_id, home)
        if present and listed[home].get(path.name) == path.stat().st_size:
            continue
        client.log_artifact(run_id, str(path), home)
        count += 1
    return count


def files_of(client: MlflowClient, run_id: str, folder: str) -> dict[str, int]:
    """Return names and sizes of the files directly in a folder of a run's artifacts."""
    found = client.list_artifacts(run_id, folder)
    return {os.path.basename(item.path): int(item.file_size or 0) for item in found if not item.is_dir}
