"""Labels of a data set's images: read from the source once, and cached beside the images."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from bench.datasets.registry import ImageDataset
from bench.system.atomic_files import write_bytes
from bench.system.errors import WorkError, printable

HASH_DIGITS = 64  # of the hash with which a cached file begins
STORED = np.dtype("<i8")  # of the labels that follow


@dataclass(frozen=True)
class Labels:
    """The classes of all samples of a data set.

    Attributes
    ----------
    values : numpy.ndarray
        Class of each sample, int64 (count,), from 0; read-only.
    class_names : tuple of str
        Names of the classes, by number.
    hash : str
        SHA-256 of the names and the values, in hexadecimal digits.
    """

    values: np.ndarray
    class_names: tuple[str, ...]
    hash: str

    @classmethod
    def of(cls, values: np.ndarray, class_names: Sequence[str]) -> Self:
        """Return labels with their hash."""
        values = values.astype(np.int64)
        values.flags.writeable = False
        digest = hashlib.sha256(json.dumps(list(class_names)).encode())
        digest.update(values.astype(STORED).data)
        return cls(values, tuple(class_names), digest.hexdigest())


def read_labels(dataset: ImageDataset, data_root: Path, folder: Path, source: str, count: int) -> Labels:
    """Return the labels of a data set with classes, from the cache or from the source.

    Parameters
    ----------
    dataset : ImageDataset
        The data set.
    data_root : Path
        Folder of the published data sets.
    folder : Path
        Folder of cached images; the file is `KEY.labels` in it. A damaged file is replaced.
    source : str
        Hash of the source files of images and labels.
    count : int
        Number of images.

    Raises
    ------
    WorkError
        If the labels are damaged: another number than that of the images, or values that are no classes.
    """
    names = dataset.class_names()
    key = hashlib.sha256(json.dumps([source, names, count]).encode()).hexdigest()
    path = folder / f"{key}.labels"
    cached = _read(path, names, count)
    if cached is not None:
        return cached
    labels = Labels.of(_checked(dataset.labels(data_root), dataset.name, len(names), count), names)
    write_bytes(path, labels.hash.encode() + labels.values.astype(STORED).tobytes())
    return labels


def _read(path: Path, names: tuple[str, ...], count: int) -> Labels | None:
    """Return the cached labels, or None if they are absent or damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    stored, values = content[:HASH_DIGITS], content[HASH_DIGITS:]
    if len(values) != count * STORED.itemsize:
        return None
    labels = Labels.of(np.frombuffer(values, STORED), names)
    return labels if labels.hash.encode() == stored else None


def _checked(values: np.ndarray, name: str, classes: int, count: int) -> np.ndarray:
    """Return the labels; raise WorkError if they do not fit the images or the classes."""
    damaged = f"the labels of dataset {printable(name)} are damaged"
    if values.shape != (count,):
        raise WorkError(f"{damaged}: there are {values.size:,} of {count:,} images")
    if not np.issubdtype(values.dtype, np.integer):
        raise WorkError(f"{damaged}: they are {values.dtype}, no whole numbers")
    strange = values[(values < 0) | (values >= classes)]
    if strange.size:
        raise WorkError(
            f"{damaged}: {strange.size:,} are no classes, such as {strange[0]}; allowed is 0 to {classes - 1}"
        )
    return values
