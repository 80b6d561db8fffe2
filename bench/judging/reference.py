"""What an extractor sees in the real images, measured once and cached by content."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from bench.errors import WorkError
from bench.judging.classes import ClassShares
from bench.judging.extraction import Extractor
from bench.judging.frechet import Moments
from bench.judging.measurement import ClassCounts

_BATCH = 1000  # images handed to the extractor at once: bounds memory for features
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """Statistics of the real images.

    Attributes
    ----------
    moments : Moments
        Of the features.
    shares : ClassShares
        Of the predicted classes.
    name, split : str
        Data set and part, such as `mnist-5k` and `train`.
    data_hash : str
        Content hash of the data.
    extractor_hash : str
        sha256 of the weights that saw it.
    """

    moments: Moments
    shares: ClassShares
    name: str
    split: str
    data_hash: str
    extractor_hash: str

    @property
    def counts(self) -> ClassCounts:
        """Classes that the real images show, by the rule that generated ones are measured by."""
        return ClassCounts(self.shares.covered(self.shares), self.shares.effective())

    @property
    def words(self) -> str:
        """The protocol's words: name, split, count and the data's hash."""
        return f"{self.name} {self.split} {self.moments.count}@{self.data_hash[:8]}"


def reference_statistics(
    extractor: Extractor, images: np.ndarray, data_hash: str, name: str, cache: Path, split: str = "train"
) -> Reference:
    """Measure the real images, or read what was measured before.

    Parameters
    ----------
    extractor : Extractor
        The network.
    images : ndarray
        uint8 (N, C, H, W), N at least 2.
    data_hash : str
        Content hash of the data, hexadecimal.
    name, split : str
        For the protocol's words.
    cache : Path
        The bench's cache folder; the file is `reference/HASH.safetensors` below it. A broken file, or one
        measured on other images, is measured again and replaced. Where nothing can be written, a warning is
        logged.

    Raises
    ------
    WorkError
        If there are fewer than 2 images, or features that are not finite.
    ValueError
        If the images are not uint8 (N, C, H, W).
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"reference images must be uint8 (N, C, H, W), not {images.dtype} {images.shape}")
    if len(images) < 2:
        raise WorkError(f"reference {name} {split}: at least 2 images are needed, not {len(images)}")
    path = cache_path(extractor, data_hash, cache)
    seen = _sketch(images)
    label = f"reference {name} {split}"
    measured = _read(path, seen, extractor.width, label)
    if measured is None:
        measured = _measure(extractor, images, label)
        _write(path, seen, *measured)
    return Reference(*measured, name, split, data_hash, extractor.hash)


def cache_path(extractor: Extractor, data_hash: str, cache: Path) -> Path:
    """Name the file for these weights, this preprocessing and this data."""
    key = "\n".join((extractor.hash, extractor.preprocessing, data_hash))
    return cache / "reference" / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"


def _measure(extractor: Extractor, images: np.ndarray, label: str) -> tuple[Moments, ClassShares]:
    moments, shares = Moments(extractor.width, label), ClassShares()
    for start in range(0, len(images), _BATCH):
        batch = torch.from_numpy(np.array(images[start : start + _BATCH]))  # a copy: images may be mapped
        features, probabilities = extractor(batch)
        moments.update(features)
        shares.update(probabilities)
    return moments, shares


def _sketch(images: np.ndarray) -> str:
    # `data_hash` says what the images are; this catches a part of them passed under the hash of the whole,
    # without reading gigabytes again.
    apart = max(1, len(images) // _BATCH)
    return _digest({f"{len(images)} images": images[::apart]})


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _write(path: Path, seen: str, moments: Moments, shares: ClassShares) -> None:
    arrays = {
        "count": np.array([moments.count], dtype=np.int64),
        "mean": moments.mean,
        "scatter": moments.scatter,
        "hard": shares.hard,
        "confident": shares.confident,
    }
    content = save(arrays, metadata={"record": json.dumps({"images": seen, "checksum": _digest(arrays)})})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and moved into place: another process sees all of it or nothing.
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        _log.warning("reference statistics could not be kept at %s: %s", path, error)


def _read(path: Path, seen: str, width: int, label: str) -> tuple[Moments, ClassShares] | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        arrays = load(content)
        record = _record(content)
        if record["checksum"] != _digest(arrays):
            raise ValueError("the checksum differs")
        if record["images"] != seen:
            raise ValueError("it was measured on other images")
        moments, shares = Moments(width, label), ClassShares()
        moments.count = int(arrays["count"][0])
        moments.mean, moments.scatter = arrays["mean"], arrays["scatter"]
        if moments.mean.shape != (width,) or moments.scatter.shape != (width, width):
            raise ValueError("the width differs")
        shares.hard, shares.confident = arrays["hard"], arrays["confident"]
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        _log.warning("%s is measured again: %s: %s", label, path, error)
        return None
    return moments, shares


def _record(content: bytes) -> dict[str, str]:
    # A safetensors file begins with the length of its JSON header, 8 bytes little-endian.
    length = int.from_bytes(content[:8], "little")
    record: dict[str, str] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["record"])
    return record
