"""Sample grids as MLflow shows them by step: the files that its log_image writes, under names of ours.

MLflow names each upload anew, so that a grid sent again stands there twice. Here the names follow from
the run and the step: to send again is to write the same files.
"""

import shutil
import tempfile
import uuid
from pathlib import Path

from mlflow import MlflowClient

from bench.tracking import store

FOLDER = "images"
KEY = "samples"
LOGGED_IMAGES = "mlflow.loggedImages"  # the tag by which MLflow's pages know that there are some


def names(run_id: str, step: int, stamp: int) -> tuple[str, str]:
    """File names of a grid: as it is, and compressed."""
    stem = f"{KEY}+step+{step}+timestamp+{stamp}+{uuid.uuid5(uuid.NAMESPACE_OID, f'{run_id} {step}')}"
    return f"{stem}.png", f"{stem}+compressed.webp"


def send(client: MlflowClient, run_id: str, path: Path, files: tuple[str, str]) -> None:
    """Upload a grid, the picture itself last: a store that has that one whole has all."""
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
