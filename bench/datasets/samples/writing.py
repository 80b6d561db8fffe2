"""Write samples to an .npz file or a folder of images, batch by batch; they appear when they are complete."""

import os
import secrets
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from bench.datasets.samples.class_folders import class_folders
from bench.datasets.samples.origin import ARRAY, FILE, SampleOrigin
from bench.system.atomic_files import PREFIX, replacing
from bench.system.errors import RequestError, WorkError, shown

SAMPLES = "arr_0"  # under which other programs of evaluation look for samples
LABELS = "labels"


def write_npz(
    path: Path, batches: Iterable[np.ndarray], count: int, labels: np.ndarray | None, origin: SampleOrigin
) -> None:
    """Write samples as the array ``arr_0`` of an .npz file; equal samples give equal bytes.

    Parameters
    ----------
    path : Path
        The file.
    batches : iterable of ndarray
        Images uint8 (B, C, H, W), which are written channels last, or points float32 (B, 2); `count` in all.
    count : int
        Number of samples.
    labels : ndarray, optional
        Class of each sample, int64 (count,), written as ``labels``.
    origin : SampleOrigin
        Where the samples come from, written as ``origin``: JSON in a text.

    Raises
    ------
    WorkError
        If the file cannot be written, or there are not `count` samples; no file is left then.
    """
    with replacing(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        with archive.open(zipfile.ZipInfo(f"{SAMPLES}.npy"), "w", force_zip64=True) as member:
            done = 0
            for batch in batches:
                rows = np.ascontiguousarray(batch.transpose(0, 2, 3, 1) if batch.ndim == 4 else batch)
                if not done:
                    _write_head(member, (count, *rows.shape[1:]), rows.dtype)
                member.write(rows.tobytes())
                done += len(rows)
        _require(done, count)
        for name, array in ((LABELS, labels), (ARRAY, np.array(origin.model_dump_json()))):
            if array is not None:
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _write_head(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    description = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(
        member, {"descr": description, "fortran_order": False, "shape": shape}
    )


def _require(done: int, count: int) -> None:
    if done != count:
        raise WorkError(f"{done} samples were drawn, {count} were asked for")


def require_new(folder: Path) -> None:
    """Raise RequestError if a folder of samples cannot be created: it must be absent or empty."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise RequestError(f"{shown(str(folder))} is a file, no folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise RequestError(f"the folder {shown(str(folder))} is not empty: name a new one")


def write_folder(
    folder: Path, batches: Iterable[np.ndarray], count: int, labels: np.ndarray | None, origin: SampleOrigin
) -> None:
    """Write images as numbered PNG files, those with labels into a subfolder for each class.

    Parameters
    ----------
    folder : Path
        A new or empty folder; beside the images it gets ``samples.json`` with the origin.
    batches : iterable of ndarray
        Images uint8 (B, C, H, W), `count` in all.
    count, labels, origin
        As of :func:`write_npz`.

    Raises
    ------
    RequestError
        If there is something at the folder's place.
    WorkError
        If the folder cannot be written, or there are not `count` samples; no folder is left then.
    """
    from PIL import Image

    require_new(folder)
    names = class_folders(origin.classes)
    with _appearing(folder) as aside:
        for name in names:
            (aside / name).mkdir()
        done = 0
        for batch in batches:
            for image in batch:
                place = aside if labels is None else aside / names[labels[done]]
                pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
                Image.fromarray(pixels).save(place / f"{done:08d}.png")
                done += 1
        _require(done, count)
        (aside / FILE).write_text(origin.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder`, which becomes `folder` when the block ends without an error."""
    target = Path(os.path.abspath(folder))
    aside = target.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        aside.mkdir(parents=True)
        yield aside
        os.replace(aside, target)
    except OSError as error:
        raise WorkError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
