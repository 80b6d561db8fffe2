"""Uploads sample grids as MLflow's log_image does, but with file names that depend on run and step only.

MLflow gives each upload a new name, so a grid that is sent twice would be shown twice. Here a grid that is
sent again overwrites the same files.
"""

import shutil
import tempfile
import uuid
from pathlib import Path

from mlflow import MlflowClient

from bench.tracking import store

FOLDER = "images"
KEY = "samples"
LOGGED_IMAGES = "mlflow.loggedImages"  # tag: MLflow's pages show images


def names(run_id: str, step: int, stamp: int) -> tuple[str, str]:
    """Return the file names of a grid: full size and compressed."""
    stem = f"{KEY}+step+{step}+timestamp+{stamp}+{uuid.uuid5(uuid.NAMESPACE_OID, f'{run_id} {step}')}"
    return f"{stem}.png", f"{stem}+compressed.webp"


def send(client: MlflowClient, run_id: str, path: Path, files: tuple[str, str]) -> None:
    """Upload a grid, the full size last: a store that has the full size has both."""
    from mlflow.tracking.multimedia import compress_image_size

    from bench.datasets.image_files import PNG, open_image

    whole, compressed = files
    with tempfile.TemporaryDirectory() as temporary:
        with open_image(path, PNG) as image:
            compress_image_size(image).save(Path(temporary, compressed))
        shutil.copyfile(path, Path(temporary, whole))
        for name in (compressed, whole):
            client.log_artifact(run_id, str(Path(temporary, name)), FOLDER)
    store.send_tags(client, run_id, {LOGGED_IMAGES: True})
