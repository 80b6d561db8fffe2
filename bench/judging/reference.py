"""Statistics of the real samples, computed once and cached by content."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from bench.datasets import fixed_draws
from bench.judging.protocol import Extractor
from bench.judging.sample_statistics import SampleStatistics
from bench.system.atomic_files import replacing, write_bytes
from bench.system.errors import WorkError

# Metrics that compare samples pairwise use at most this many per side: their cost grows with the square.
MAXIMUM_PAIRED = 5000
# Below this the nearest neighbours that metrics ask for do not exist.
MINIMUM_SAMPLES = 12

_BATCH = 1000  # samples passed to the extractor at once: bounds memory for features
_FINGERPRINTED = 1000  # samples that identify a data set
# Features (samples x width) among which the nearest to a generated sample are searched: half a GiB on disk
MOST_SEARCHED = 2**27
# Part of the name of every cached file. Raised whenever a change of code changes which real samples are
# paired, or how samples are stored, extracted or summarised.
_REVISION = "5"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """The real samples that generated ones are compared with.

    Attributes
    ----------
    statistics : SampleStatistics
        Moments, classes and modes of all real samples; features of the first
        :data:`MAXIMUM_PAIRED` samples, or of half of them, in :func:`pairing_order`.
    split : str
        Part of the data set, such as `train`.
    data_hash : str
        Content hash of the data.
    extractor_hash : str
        sha256 of the extractor's weights.
    searched : ndarray
        Features of the first real samples in :func:`pairing_order`, float32 (N, width): of all, or of as many
        as :data:`MOST_SEARCHED` numbers hold. They may be mapped from a file.
    """

    statistics: SampleStatistics
    split: str
    data_hash: str
    extractor_hash: str
    searched: np.ndarray

    @property
    def count(self) -> int:
        """Number of real samples."""
        return self.statistics.count

    @property
    def label(self) -> str:
        """Split, count and the data's hash, for the protocol: the same data have one wherever they lie."""
        return f"{self.split} {self.count}@{self.data_hash[:8]}"

    def paired(self, samples: int) -> int:
        """Return how many samples of each side are compared pairwise when `samples` are generated.

        At most half of the real samples: a held-out set of equal size remains, to be scored as if generated.
        """
        return min(samples, most_paired(self.count))


class _Measured(NamedTuple):
    statistics: SampleStatistics
    searched: np.ndarray


def pairing_order(count: int) -> np.ndarray:
    """Indices of the real samples in the order in which they are paired, int64 (count,).

    The first half is compared with generated samples; the second is held out, to be measured as though it
    were generated.
    """
    return fixed_draws.permutation(0, count)


def most_paired(count: int) -> int:
    """Return how many real samples are compared pairwise at most, of so many."""
    return min(count // 2, MAXIMUM_PAIRED)


def _most_searched(count: int, width: int) -> int:
    return min(count, max(most_paired(count), MOST_SEARCHED // width))


def reference_statistics(
    extractor: Extractor, samples: np.ndarray, data_hash: str, name: str, cache: Path, split: str = "train"
) -> Reference:
    """Compute the statistics of the real samples, or read those that were cached.

    Parameters
    ----------
    extractor : Extractor
        The extractor.
    samples : ndarray
        Images uint8 (N, C, H, W) or points float32 (N, D), N at least 12.
    data_hash : str
        Content hash of the data, hexadecimal.
    name : str
        Data set, for messages.
    split : str
        Part of the data set, for messages and the protocol.
    cache : Path
        The bench's cache folder; the files are `reference/HASH.safetensors` and `reference/HASH.npy` below
        it. A broken file, or one of other samples, is replaced. Where nothing can be written, a warning is
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
    if len(samples) < MINIMUM_SAMPLES:
        raise WorkError(
            f"reference {name} {split}: at least {MINIMUM_SAMPLES} samples are needed, not {len(samples)}"
        )
    path = cache_path(extractor, data_hash, cache)
    fingerprint = _fingerprint(samples)
    label = f"reference {name} {split}"
    found = _read(path, fingerprint, extractor, label, len(samples))
    if found is None:
        found = _measure(extractor, samples, label)
        _write(path, fingerprint, found)
    return Reference(found.statistics, split, data_hash, extractor.hash, found.searched)


def cache_path(extractor: Extractor, data_hash: str, cache: Path) -> Path:
    """Return the cache file for these weights, this preprocessing, what is extracted, and this data."""
    # files of one network may have its classifier or lack it
    provided = " ".join(sorted(extractor.provides))
    key = "\n".join((_REVISION, extractor.hash, extractor.preprocessing, provided, data_hash))
    return cache / "reference" / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"


def _measure(extractor: Extractor, samples: np.ndarray, label: str) -> _Measured:
    statistics = SampleStatistics(extractor, label, kept=0)
    order = pairing_order(len(samples))[: _most_searched(len(samples), extractor.width)]
    rank = np.full(len(samples), -1)
    rank[order] = np.arange(len(order))
    features = np.zeros((len(order), extractor.width), dtype=np.float32)
    for start in range(0, len(samples), _BATCH):
        batch = torch.from_numpy(np.array(samples[start : start + _BATCH]))  # a copy: they may be mapped
        extraction = extractor(batch)
        statistics.update(batch, extraction)
        ranks = rank[start : start + len(batch)]
        features[ranks[ranks >= 0]] = extraction.features.numpy()[ranks >= 0]
    statistics.set_features(features[: most_paired(len(samples))].copy())
    return _Measured(statistics, features)


def _fingerprint(samples: np.ndarray) -> str:
    """Hash of about a thousand samples, evenly spread, and of their number.

    `data_hash` identifies the samples. This detects a subset that is passed with the hash of the full data
    set, without reading gigabytes again.
    """
    stride = max(1, len(samples) // _FINGERPRINTED)
    return _digest({f"{len(samples)} images": samples[::stride]})


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _write(path: Path, fingerprint: str, measured: _Measured) -> None:
    arrays = measured.statistics.arrays()
    header = {"images": fingerprint, "checksum": _digest(arrays)}
    try:
        # first the features to search: the other file says that both are whole
        with replacing(path.with_suffix(".npy"), durable=True) as aside:
            np.save(aside, measured.searched)
        write_bytes(path, save(arrays, metadata={"record": json.dumps(header)}))
    except WorkError as error:
        _log.warning("reference statistics could not be cached: %s", error)


def _read(path: Path, fingerprint: str, extractor: Extractor, label: str, count: int) -> _Measured | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        arrays = load(content)
        header = _header(content)
        if header["checksum"] != _digest(arrays):
            raise ValueError("the checksum differs")
        if header["images"] != fingerprint:
            raise ValueError("it was measured on other images")
        statistics = SampleStatistics(extractor, label, kept=0)
        statistics.restore(arrays)
        if statistics.features.shape != (most_paired(count), extractor.width):
            raise ValueError("the features are not those of these samples")
        searched = _mapped(
            path.with_suffix(".npy"), statistics.features, _most_searched(count, extractor.width)
        )
    except (SafetensorError, KeyError, ValueError, TypeError, OSError, EOFError) as error:
        _log.warning("%s is measured again: %s: %s", label, path, error)
        return None
    return _Measured(statistics, searched)


def _mapped(path: Path, paired: np.ndarray, count: int) -> np.ndarray:
    """Map the features to search; ValueError if they do not begin with those of the paired samples."""
    searched: np.ndarray = np.load(path, mmap_mode="r")
    if searched.shape != (count, paired.shape[1]) or not np.array_equal(searched[: len(paired)], paired):
        raise ValueError(f"{path.name} holds the features of other samples")
    return searched


def _header(content: bytes) -> dict[str, str]:
    # A safetensors file begins with the length of its JSON header, 8 bytes little-endian.
    length = int.from_bytes(content[:8], "little")
    header: dict[str, str] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["record"])
    return header
