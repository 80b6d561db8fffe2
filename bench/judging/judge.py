"""The judge: measures a sampler against real samples, knowing nothing of the model behind the sampler."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.judging.held_out import HeldOut
from bench.judging.metric_inputs import MetricInputs, PairedFeatures
from bench.judging.metrics import Metric, metrics_for
from bench.judging.metrics.registry import METRICS
from bench.judging.moments import too_few
from bench.judging.protocol import Extractor, class_names_of
from bench.judging.reference import MINIMUM_SAMPLES, Reference, cache_path, pairing_order
from bench.judging.sample_statistics import SampleStatistics
from bench.judging.training_features import TrainingFeatures
from bench.runs import environment
from bench.system.atomic_files import write_text
from bench.system.errors import WorkError
from bench.system.ranks import ALONE, Ranks
from bench.training.sampler import LabelledSampler, NonFiniteSamples, Sampler

_GENERATED = "generated samples"
_HELD_OUT = "held-out real samples"
# Least number of samples for each class, in the mean, with which metrics are measured class by class.
MINIMUM_OF_CLASS = 10
_BATCH = 250  # held-out real samples in a batch
_log = logging.getLogger(__name__)


def as_stored(samples: Tensor) -> Tensor:
    """Convert samples to the values that files hold, on the CPU.

    Images (N, C, H, W) in [-1, 1] become uint8, rounded and clamped; points (N, D) stay float32.

    Raises
    ------
    NonFiniteSamples
        If a value is NaN or infinite.
    """
    values = samples.detach().to(torch.float32)
    broken = (~torch.isfinite(values.flatten(1))).any(dim=1)
    if broken.any():
        count = f"{int(broken.sum())} of a batch of {len(values)}"
        raise NonFiniteSamples(f"{_GENERATED} hold NaN or infinite values ({count})")
    if values.dim() == 2:
        return values.cpu()
    # features must not depend on the memory format in which a generator left its images
    return ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().contiguous()


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
    class_names : tuple of str
        Names of the classes that samplers label their samples with, by number; empty for samples without
        labels. Metrics of labels are measured if the extractor knows these classes.
    in_training : bool
        Whether the extractor's network was trained on such samples. Otherwise no metric of classes or labels
        is measured.
    held_out : HeldOut, optional
        Held-out real samples by the same extractor. Without them no metric that needs them is measured.

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
        class_names: tuple[str, ...] = (),
        in_training: bool = True,
        held_out: HeldOut | None = None,
    ) -> None:
        if samples < MINIMUM_SAMPLES:
            raise ValueError(f"a judge needs at least {MINIMUM_SAMPLES} samples, not {samples}")
        if reference.extractor_hash != extractor.hash:
            raise ValueError(f"the reference {reference.label} was not measured by {extractor.name}")
        self.extractor, self.reference = extractor, reference
        self.samples, self.generator, self.ranks = samples, generator, ranks
        known = class_names_of(extractor)
        # the extractor's numbers of the classes
        self._classes = [known.index(name) for name in class_names if name in known]
        named = in_training and len(self._classes) == len(class_names)
        self.class_names = class_names if named else ()
        self.in_training = in_training
        self.held_out = held_out
        for name, count in ((_GENERATED, samples), ("reference samples", reference.count)):
            if too_few(count, extractor.width):
                sizes = f"{count} {name} for {extractor.width} features"
                _log.warning("%s: %s: compare it only with the same counts", extractor.metric, sizes)

    @property
    def metric(self) -> str:
        """Name of the Frechet distance."""
        return self.extractor.metric

    @property
    def protocol(self) -> str:
        """How the numbers come about, for the tag `metric.protocol`."""
        network = f"{self.extractor.name}@{self.extractor.hash[:8]} {self.extractor.preprocessing}"
        if not self.in_training:
            network += ", outside its training"
        return (
            f"{network}; {self.samples} samples; reference {self.reference.label}; generator {self.generator}"
        )

    @property
    def paired(self) -> int:
        """Number of samples of each side that are compared pairwise."""
        return self.reference.paired(self.samples)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that this judge measures at every evaluation, by their recorded names."""
        measured = self._metrics_for(on_request=False)
        found = {metric.recorded_as(self.extractor): metric for metric in measured}
        if self.paired >= MINIMUM_OF_CLASS * len(self.class_names):
            for metric in measured:
                for number, (name, label) in enumerate(zip(self.class_names, self._classes, strict=False)):
                    if of_class := metric.for_class(number, name, label):
                        found[of_class.name] = of_class
        return found

    @cached_property
    def on_request(self) -> dict[str, Metric]:
        """The metrics that this judge measures if they are asked for by name, by their recorded names."""
        return {metric.recorded_as(self.extractor): metric for metric in self._metrics_for(on_request=True)}

    @property
    def measurable(self) -> dict[str, Metric]:
        """All metrics that can be asked for by name: those of every evaluation, then those on request."""
        return self.metrics | self.on_request

    def _metrics_for(self, on_request: bool) -> tuple[Metric, ...]:
        return metrics_for(
            self.extractor,
            labelled=bool(self.class_names),
            classes=self.in_training,
            held_out=self.held_out is not None,
            on_request=on_request,
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Recorded names of the metrics of classes that are not measured, for want of training."""
        possible = (metric.recorded_as(self.extractor) for metric in metrics_for(self.extractor))
        return tuple(name for name in possible if name not in self.metrics)

    @cached_property
    def _real_features(self) -> PairedFeatures:
        """Of the reference, kept for every evaluation."""
        statistics = self.reference.statistics
        return PairedFeatures(statistics.features[: self.paired], statistics.moments.mean)

    @cached_property
    def _training_features(self) -> TrainingFeatures:
        """Of the reference, kept for every evaluation."""
        return TrainingFeatures(self.reference.searched, self.reference.statistics.moments.mean)

    def measure(self, sampler: Sampler, names: Collection[str] | None = None) -> dict[str, float]:
        """Draw the samples and measure them; each is extracted once.

        Parameters
        ----------
        sampler : Sampler
            The sampler. It owns its randomness; the judge draws none.
        names : collection of str, optional
            Recorded names of the metrics to compute, also of those on request; where not given, those of
            every evaluation.

        Returns
        -------
        dict
            Value of each of these metrics whose requirement the extractor meets, by its recorded name.

        Raises
        ------
        NonFiniteSamples
            If a sample is not finite.
        WorkError
            If a feature or a metric is not finite, or the sampler yields another number of samples.
        """
        shard = self.ranks.shard(self.samples)
        part = () if self.ranks.count == 1 else (shard,)
        labels = None
        if self.class_names:
            if not isinstance(sampler, LabelledSampler):
                raise WorkError(f"{_GENERATED} have no labels, which {len(self.class_names)} classes need")
            labels = sampler.labels(self.samples, *part)
        # metrics on request may look at the features of all samples
        kept = self.samples if names and not self.on_request.keys().isdisjoint(names) else self.paired
        own = SampleStatistics(self.extractor, _GENERATED, kept, self.samples, shard.start)
        self._extract(sampler(self.samples, *part), len(shard), own, labels)
        values = None
        if gathered := self.ranks.gather(own):
            whole, *others = gathered
            for other in others:
                whole.merge(other)
            inputs = MetricInputs(
                whole,
                self.reference.statistics,
                self.paired,
                self._real_features,
                self._training_features,
                self.held_out,
            )
            values = self._compute(inputs, names)
        measured = self.ranks.broadcast(values)
        assert measured is not None
        return measured

    def _extract(
        self,
        batches: Iterable[Tensor],
        count: int,
        statistics: SampleStatistics,
        labels: Tensor | None = None,
    ) -> None:
        """Extract from `count` samples and add them to the statistics."""
        asked = None if labels is None else torch.tensor(self._classes)[labels]
        for samples in batches:
            if statistics.count + len(samples) > count:
                raise WorkError(f"the sampler gave more than the {count} samples asked for")
            stored = as_stored(samples)
            start = statistics.count
            part = None if asked is None else asked[start : start + len(samples)]
            statistics.update(stored, self.extractor(stored), part)
        if statistics.count != count:
            raise WorkError(f"the sampler gave {statistics.count} samples, {count} were asked for")

    def _chosen(self, names: Collection[str] | None) -> dict[str, Metric]:
        """Return the metrics of these names, in the order of tables; those of every evaluation for None."""
        if names is None:
            return self.metrics
        return {name: metric for name, metric in self.measurable.items() if name in names}

    def _compute(self, inputs: MetricInputs, names: Collection[str] | None = None) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, metric in self._chosen(names).items():
            try:
                value = float(metric.compute(inputs))
            except (WorkError, OSError, MemoryError):
                raise
            except Exception as error:  # a metric may come from another package
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                samples = inputs.generated_moments.name
                raise WorkError(f"{name} of the {samples} cannot be computed ({reason})") from error
            if not math.isfinite(value):
                raise WorkError(f"{name} of the {inputs.generated_moments.name} is {value}")
            values[name] = value
        return values

    def measure_real(
        self,
        samples: np.ndarray,
        folder: Path,
        labels: np.ndarray | None = None,
        names: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Measure held-out real samples as though they were generated, or read the cached values.

        Parameters
        ----------
        samples : ndarray
            All real samples, those of the reference. The held-out half, as many as are compared pairwise, is
            measured against all others. A metric of another package that fails here is passed over with a
            warning: the judge does not measure it.
        folder : Path
            The bench's cache folder.
        labels : ndarray, optional
            Classes of the samples, int64 (N,); needed where the judge measures metrics of labels.
        names : collection of str, optional
            Recorded names of the metrics, as for :meth:`measure`.

        Returns
        -------
        dict
            As :meth:`measure`: the values that so many samples of a perfect generator would have.
        """
        chosen = self._chosen(names)
        path = self._cache_path(folder, labels, chosen)
        known = _read(path, chosen)
        if known is not None:
            return known
        values = self.score_real(samples, labels, names)
        try:
            write_text(path, json.dumps(values))
        except WorkError as error:
            _log.warning("the scores of real samples could not be cached: %s", error)
        return values

    def _cache_path(self, folder: Path, labels: np.ndarray | None, chosen: Mapping[str, Metric]) -> Path:
        """The cache file of the scores of real samples, named by all that decides them."""
        device = str(getattr(self.extractor, "device", "cpu"))
        metrics = {name: [metric.settings, metric.revision] for name, metric in chosen.items()}
        key = [metrics, self.paired, self.reference.count, device, environment.kinds_of_arithmetic()]
        if self.held_out is not None:
            key.append(self.held_out.label)
        digest = hashlib.sha256(json.dumps(key).encode())
        if self.class_names:
            assert labels is not None
            digest.update(json.dumps(self.class_names).encode() + labels.tobytes())
        name = digest.hexdigest()[:16]
        base = cache_path(self.extractor, self.reference.data_hash, folder)
        return base.with_name(f"{base.stem}-real-{name}.json")

    def score_real(
        self,
        samples: np.ndarray,
        labels: np.ndarray | None = None,
        names: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Measure held-out real samples as :meth:`measure_real` does, without the cache."""
        half = len(samples) // 2
        held_out = pairing_order(len(samples))[half : half + self.paired]
        asked = None
        if self.class_names:
            assert labels is not None
            asked = torch.from_numpy(labels[held_out])
        statistics = SampleStatistics(self.extractor, _HELD_OUT, self.paired, self.paired)
        self._extract(_batches(samples, held_out), self.paired, statistics, asked)
        # without those that are measured: a set is nearer to one that contains it
        others = self.reference.statistics.without(statistics)
        unmeasured = self._training_features.without(range(half, half + self.paired))
        inputs = MetricInputs(
            statistics, others, self.paired, training_features=unmeasured, held_out=self.held_out
        )
        values: dict[str, float] = {}
        for name, metric in list(self._chosen(names).items()):
            try:
                values |= self._compute(inputs, [name])
            except WorkError as error:
                # every run measures all metrics: one of another package must not keep all runs from starting
                whole, _, _ = metric.name.rpartition("_")  # that of all classes, of the metric of one
                of_package = [kind for kind in (metric.name, whole) if METRICS.package_of(kind)]
                if not of_package:
                    raise
                METRICS.pass_over(of_package[0], error.__cause__ or str(error))
                (self.metrics if name in self.metrics else self.on_request).pop(name)
        return values


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
