"""What an extractor sees in the real samples, measured once and cached by content."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from bench.datasets import fixed_draws
from bench.judging.observation import Observation
from bench.judging.protocol import Extractor
from bench.system.atomic_files import write_bytes
from bench.system.errors import WorkError

# Metrics that compare samples with samples take at most so many: their cost grows with the square.
MOST_PAIRED = 5000
# Below this the nearest neighbours that metrics ask for do not exist.
FEWEST = 12

_BATCH = 1000  # samples handed to the extractor at once: bounds memory for features
_FORMAT = "3"  # of the cached file
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """Statistics of the real samples.

    Attributes
    ----------
    observation : Observation
        Moments, classes and modes of all of them; features of the first of `order`.
    name, split : str
        Data set and part, such as `mnist-5k` and `train`.
    data_hash : str
        Content hash of the data.
    extractor_hash : str
        sha256 of the weights that saw it.
    """

    observation: Observation
    name: str
    split: str
    data_hash: str
    extractor_hash: str

    @property
    def count(self) -> int:
        """Number of real samples."""
        return self.observation.count

    @property
    def words(self) -> str:
        """The protocol's words: name, split, count and the data's hash."""
        return f"{self.name} {self.split} {self.count}@{self.data_hash[:8]}"

    def paired(self, samples: int) -> int:
        """How many samples of each side are compared with each other when `samples` are generated.

        At most half of the real ones, so that as many others can be judged in the generator's place.
        """
        return min(samples, _kept(self.count))


def order(count: int) -> np.ndarray:
    """The places of the real samples in the order in which they are compared, int64 (count,).

    The first half is what generated samples are compared with; the second is held out, to be judged
    as though it were generated.
    """
    return fixed_draws.permutation(0, count)


def _kept(count: int) -> int:
    return min(count // 2, MOST_PAIRED)


def reference_statistics(
    extractor: Extractor, samples: np.ndarray, data_hash: str, name: str, cache: Path, split: str = "train"
) -> Reference:
    """Measure the real samples, or read what was measured before.

    Parameters
    ----------
    extractor : Extractor
        Who looks.
    samples : ndarray
        Images uint8 (N, C, H, W) or points float32 (N, D), N at least 12.
    data_hash : str
        Content hash of the data, hexadecimal.
    name, split : str
        For the protocol's words.
    cache : Path
        The bench's cache folder; the file is `reference/HASH.safetensors` below it. A broken file, or one
        measured on other samples, is measured again and replaced. Where nothing can be written, a warning is
        logged.

    Raises
    ------
    WorkError
        If there are fewer than 12 samples, or features that are not finite.
    ValueError
        If the samples are neither images nor points.
    """
    if (samples.dtype, samples.ndim) not in ((np.uint8, 4), (np.float32, 2)):
        raise ValueError(
            "reference samples must be uint8 (N, C, H, W) or float32 (N, D),"
            f" not {samples.dtype} {samples.shape}"
        )
    if len(samples) < FEWEST:
        raise WorkError(f"reference {name} {split}: at least {FEWEST} samples are needed, not {len(samples)}")
    path = cache_path(extractor, data_hash, cache)
    seen = _sketch(samples)
    label = f"reference {name} {split}"
    observation = _read(path, seen, extractor, label, len(samples))
    if observation is None:
        observation = _measure(extractor, samples, label)
        _write(path, seen, observation)
    return Reference(observation, name, split, data_hash, extractor.hash)


def cache_path(extractor: Extractor, data_hash: str, cache: Path) -> Path:
    """Name the file for these weights, this preprocessing and this data."""
    key = "\n".join((_FORMAT, extractor.hash, extractor.preprocessing, data_hash))
    return cache / "reference" / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"


def _measure(extractor: Extractor, samples: np.ndarray, label: str) -> Observation:
    observation = Observation(extractor, label, kept=0)
    compared = order(len(samples))[: _kept(len(samples))]
    rank = np.full(len(samples), -1)
    rank[compared] = np.arange(len(compared))
    features = np.zeros((len(compared), extractor.width), dtype=np.float32)
    for start in range(0, len(samples), _BATCH):
        batch = torch.from_numpy(np.array(samples[start : start + _BATCH]))  # a copy: they may be mapped
        seen = extractor(batch)
        observation.update(batch, seen)
        ranks = rank[start : start + len(batch)]
        features[ranks[ranks >= 0]] = seen.features.numpy()[ranks >= 0]
    observation.keep(features)
    return observation


def _sketch(samples: np.ndarray) -> str:
    # `data_hash` says what the samples are; this catches a part of them passed under the hash of the whole,
    # without reading gigabytes again.
    apart = max(1, len(samples) // _BATCH)
    return _digest({f"{len(samples)} images": samples[::apart]})


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _write(path: Path, seen: str, observation: Observation) -> None:
    arrays = observation.arrays()
    content = save(arrays, metadata={"record": json.dumps({"images": seen, "checksum": _digest(arrays)})})
    try:
        write_bytes(path, content)
    except WorkError as error:
        _log.warning("reference statistics could not be kept: %s", error)


def _read(path: Path, seen: str, extractor: Extractor, label: str, count: int) -> Observation | None:
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
        observation = Observation(extractor, label, kept=0)
        observation.restore(arrays)
        if observation.features.shape != (_kept(count), extractor.width):
            raise ValueError("the features are not those of these samples")
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        _log.warning("%s is measured again: %s: %s", label, path, error)
        return None
    return observation


def _record(content: bytes) -> dict[str, str]:
    # A safetensors file begins with the length of its JSON header, 8 bytes little-endian.
    length = int.from_bytes(content[:8], "little")
    record: dict[str, str] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["record"])
    return record
