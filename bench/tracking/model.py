"""Logs a run's generator as an MLflow model."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import mlflow.pytorch
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric

from bench.runs.generator import TrainedGenerator, load
from bench.runs.run_folder import RunFolder
from bench.tracking import metric_names

NAME = "generator"


def log_generator(
    client: MlflowClient,
    run_id: str,
    run: RunFolder,
    evaluations: Mapping[int, Mapping[str, float]],
    began: int,
) -> int:
    """Log the generator of a run's best checkpoint as a model of its MLflow run.

    The model has the metrics of the evaluation of its checkpoint. A model whose upload was broken off is
    completed; a complete model is left as it is.

    Parameters
    ----------
    client : MlflowClient
        The store.
    run_id : str
        Id of the MLflow run.
    run : RunFolder
        The run.
    evaluations : mapping
        Step to the metrics of each evaluation.
    began : int
        When the run began, in milliseconds since the epoch.

    Returns
    -------
    int
        Number of files that were sent.
    """
    model = _logged(client, run_id)
    if model is not None and model.status == LoggedModelStatus.READY:
        return 0
    trained = load(run, "best")
    model = model or _create(client, run_id, run, trained.step)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / NAME
        save_generator(run, trained, folder)
        client.log_model_artifacts(model.model_id, str(folder))
        count = sum(path.is_file() for path in folder.rglob("*"))
    # the run shows its model, and the model its run
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, trained.step)])
    metrics = [
        Metric(metric_names.of_evaluation(name), value, began + trained.step, trained.step, model.model_id)
        for name, value in evaluations.get(trained.step, {}).items()
    ]
    if metrics:
        # points that the run has already: only the model's are new
        client.log_batch(run_id, metrics=metrics)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return count


def _logged(client: MlflowClient, run_id: str) -> LoggedModel | None:
    """Return the generator of a run, the complete one if there are several."""
    experiment = client.get_run(run_id).info.experiment_id
    query = f"source_run_id = '{run_id}' AND name = '{NAME}'"
    found = list(client.search_logged_models([experiment], query))
    return min(found, key=lambda model: model.status != LoggedModelStatus.READY, default=None)


def _create(client: MlflowClient, run_id: str, run: RunFolder, step: int) -> LoggedModel:
    config = run.describe().config
    return client.create_logged_model(
        client.get_run(run_id).info.experiment_id,
        name=NAME,
        source_run_id=run_id,
        params={"variant": config.variant, "dataset": config.dataset, "seed": str(config.seed)},
        tags={"step": str(step)},
        model_type=NAME,
    )


def save_generator(run: RunFolder, trained: TrainedGenerator, path: Path) -> None:
    """Save a run's generator as a folder that ``mlflow.pytorch.load_model`` reads.

    The model is an exported program (pt2, no pickle). It maps latents, float32 (N, latent_dim) with any N,
    to samples: images (N, C, H, W) in [-1, 1], or points (N, 2).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export and MLflow warn of unused features
        mlflow.pytorch.save_model(
            trained.generator,
            str(path),
            input_example=trained.latents(2).numpy(),
            serialization_format="pt2",
            pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}", "mlflow"],
            metadata={"run": run.id, "step": trained.step},
        )
