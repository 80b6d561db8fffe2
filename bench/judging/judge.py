"""The judge: measures a sampler against real samples, knowing nothing of the model behind the sampler."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.judging.metric_inputs import MetricInputs, PairedFeatures
from bench.judging.metrics import Metric, metrics_for
from bench.judging.moments import too_few
from bench.judging.protocol import Extractor
from bench.judging.reference import MINIMUM_SAMPLES, Reference, cache_path, pairing_order
from bench.judging.sample_statistics import SampleStatistics
from bench.runs import environment
from bench.system.atomic_files import write_text
from bench.system.errors import WorkError
from bench.system.ranks import ALONE, Ranks
from bench.training.sampler import Sampler

_GENERATED = "generated samples"
_HELD_OUT = "held-out real samples"
_BATCH = 250  # held-out real samples in a batch
_log = logging.getLogger(__name__)


def as_stored(samples: Tensor) -> Tensor:
    """Convert samples to the values that files hold, on the CPU.

    Images (N, C, H, W) in [-1, 1] become uint8, rounded and clamped; points (N, D) stay float32.

    Raises
    ------
    WorkError
        If a value is NaN or infinite.
    """
    values = samples.detach().to(torch.float32)
    broken = (~torch.isfinite(values.flatten(1))).any(dim=1)
    if broken.any():
        count = f"{int(broken.sum())} of a batch of {len(values)}"
        raise WorkError(f"{_GENERATED} hold NaN or infinite values ({count})")
    if values.dim() == 2:
        return values.cpu()
    return ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()


class Judge:
    """Measures samplers by one protocol.

    Parameters
    ----------
    extractor : Extractor
        The extractor of features.
    reference : Reference
        The real samples, by the same extractor.
    samples : int
        Number of samples to draw from a sampler, at least 12.
    generator : str
        Which weights the sampler uses, such as `raw` or `ema`; stated in the protocol only.
    ranks : Ranks
        The processes that share the extraction. The first one computes the metrics, and all return them.

    Raises
    ------
    ValueError
        If `samples` is below 12 or the reference was measured by another extractor.
    """

    def __init__(
        self,
        extractor: Extractor,
        reference: Reference,
        samples: int,
        generator: str = "raw",
        ranks: Ranks = ALONE,
    ) -> None:
        if samples < MINIMUM_SAMPLES:
            raise ValueError(f"a judge needs at least {MINIMUM_SAMPLES} samples, not {samples}")
        if reference.extractor_hash != extractor.hash:
            raise ValueError(f"the reference {reference.label} was not measured by {extractor.name}")
        self.extractor, self.reference = extractor, reference
        self.samples, self.generator, self.ranks = samples, generator, ranks
        for name, count in ((_GENERATED, samples), ("reference samples", reference.count)):
            if too_few(count, extractor.width):
                sizes = f"{count} {name} for {extractor.width} features"
                _log.warning("%s: %s: compare it only with the same counts", extractor.metric, sizes)

    @property
    def protocol(self) -> str:
        """How the numbers come about, for the tag `metric.protocol`."""
        network = f"{self.extractor.name}@{self.extractor.hash[:8]} {self.extractor.preprocessing}"
        return (
            f"{network}; {self.samples} samples; reference {self.reference.label}; generator {self.generator}"
        )

    @property
    def paired(self) -> int:
        """Number of samples of each side that are compared pairwise."""
        return self.reference.paired(self.samples)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that this judge measures, by their recorded names."""
        return {metric.recorded_as(self.extractor): metric for metric in metrics_for(self.extractor)}

    @cached_property
    def _real_features(self) -> PairedFeatures:
        """Of the reference, kept for every evaluation."""
        statistics = self.reference.statistics
        return PairedFeatures(statistics.features[: self.paired], statistics.moments.mean)

    def measure(self, sampler: Sampler) -> dict[str, float]:
        """Draw the samples and measure them; each is extracted once.

        Parameters
        ----------
        sampler : Sampler
            The sampler. It owns its randomness; the judge draws none.

        Returns
        -------
        dict
            Value of every metric whose requirement the extractor meets, by its recorded name.

        Raises
        ------
        WorkError
            If a sample, a feature or a metric is not finite, or the sampler yields another number of samples.
        """
        shard = self.ranks.shard(self.samples)
        batches = sampler(self.samples) if self.ranks.count == 1 else sampler(self.samples, shard)
        own = self._extract(batches, len(shard), _GENERATED)
        values = None
        if gathered := self.ranks.gather(own):
            whole, *others = gathered
            for other in others:
                whole.merge(other)
            real = self.reference.statistics
            values = self._compute(MetricInputs(whole, real, self.paired, self._real_features))
        measured = self.ranks.broadcast(values)
        assert measured is not None
        return measured

    def _extract(self, batches: Iterable[Tensor], count: int, name: str) -> SampleStatistics:
        statistics = SampleStatistics(self.extractor, name, kept=self.paired)
        for samples in batches:
            if statistics.count + len(samples) > count:
                raise WorkError(f"the sampler gave more than the {count} samples asked for")
            stored = as_stored(samples)
            statistics.update(stored, self.extractor(stored))
        if statistics.count != count:
            raise WorkError(f"the sampler gave {statistics.count} samples, {count} were asked for")
        return statistics

    def _compute(self, inputs: MetricInputs) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, metric in self.metrics.items():
            value = metric.compute(inputs)
            if not math.isfinite(value):
                raise WorkError(f"{name} of the {inputs.generated_moments.name} is {value}")
            values[name] = value
        return values

    def measure_real(self, samples: np.ndarray, folder: Path) -> dict[str, float]:
        """Measure held-out real samples as though they were generated, or read the cached values.

        Parameters
        ----------
        samples : ndarray
            All real samples, those of the reference. The held-out half, as many as are compared pairwise, is
            measured against all others.
        folder : Path
            The bench's cache folder.

        Returns
        -------
        dict
            As :meth:`measure`: the values that so many samples of a perfect generator would have.
        """
        path = self._cache_path(folder)
        known = _read(path, self.metrics)
        if known is not None:
            return known
        values = self.score_real(samples)
        try:
            write_text(path, json.dumps(values))
        except WorkError as error:
            _log.warning("the scores of real samples could not be cached: %s", error)
        return values

    def _cache_path(self, folder: Path) -> Path:
        """The cache file of the scores of real samples, named by all that decides them."""
        device = str(getattr(self.extractor, "device", "cpu"))
        metrics = {name: [metric.settings, metric.revision] for name, metric in self.metrics.items()}
        key = [metrics, self.paired, self.reference.count, device, environment.kinds_of_arithmetic()]
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        base = cache_path(self.extractor, self.reference.data_hash, folder)
        return base.with_name(f"{base.stem}-real-{name}.json")

    def score_real(self, samples: np.ndarray) -> dict[str, float]:
        """Measure held-out real samples as :meth:`measure_real` does, without the cache."""
        half = len(samples) // 2
        held_out = pairing_order(len(samples))[half : half + self.paired]
        statistics = self._extract(_batches(samples, held_out), self.paired, _HELD_OUT)
        # without those that are measured: a set is nearer to one that contains it
        others = self.reference.statistics.without(statistics)
        return self._compute(MetricInputs(statistics, others, self.paired))


def _batches(samples: np.ndarray, indices: np.ndarray) -> Iterator[Tensor]:
    """Yield stored samples as a sampler would."""
    for start in range(0, len(indices), _BATCH):
        part = torch.from_numpy(samples[indices[start : start + _BATCH]])
        yield part if part.dtype == torch.float32 else part.float() / 127.5 - 1


def _read(path: Path, wanted: Iterable[str]) -> dict[str, float] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(values[name]) for name in wanted}
    except (OSError, ValueError, KeyError, TypeError):
        return None
