"""Saves a run's generator as an MLflow model."""

import warnings
from pathlib import Path

import mlflow.pytorch
import torch

from bench.runs.generator import load
from bench.runs.run_folder import RunFolder


def save_generator(run: RunFolder, path: Path) -> None:
    """Save the generator of a run's best checkpoint as a folder that ``mlflow.pytorch.load_model`` reads.

    The model is an exported program (pt2, no pickle). It maps latents, float32 (N, latent_dim) with any N,
    to samples: images (N, C, H, W) in [-1, 1], or points (N, 2).
    """
    trained = load(run, "best")
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
