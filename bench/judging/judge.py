"""The judge: measures a sampler against real samples, knowing nothing of the model behind it."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.datasets import fixed_draws
from bench.judging.comparison import Comparison
from bench.judging.metrics import metrics_for
from bench.judging.moments import too_few
from bench.judging.observation import Observation
from bench.judging.protocol import Extractor
from bench.judging.reference import FEWEST, Reference, cache_path, order
from bench.runs import environment
from bench.system.atomic_files import write_text
from bench.system.errors import WorkError
from bench.system.ranks import ALONE, Ranks

Sampler = Callable[..., Iterable[Tensor]]
"""Called with a count, yields float32 batches in [-1, 1], images (B, C, H, W) or points (B, D), that hold
`count` samples together; called with a range of places beside it, only those of the samples."""

_GENERATED = "generated samples"
_HELD_OUT = "held-out real samples"
_BATCH = 250  # real samples handed to the judge at a time
_log = logging.getLogger(__name__)


def as_stored(samples: Tensor) -> Tensor:
    """Turn samples into what files hold, on the CPU.

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
        Who looks.
    reference : Reference
        What it saw in the real samples.
    samples : int
        Samples asked of a sampler, at least 12.
    generator : str
        Which weights the sampler uses, such as `raw` or `ema`; only told in the protocol.
    ranks : Ranks
        The processes that share the samples; every one of them measures what they saw together.

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
        if samples < FEWEST:
            raise ValueError(f"a judge needs at least {FEWEST} samples, not {samples}")
        if reference.extractor_hash != extractor.hash:
            raise ValueError(f"the reference {reference.words} was not measured by {extractor.name}")
        self.extractor, self.reference = extractor, reference
        self.samples, self.generator, self.ranks = samples, generator, ranks
        for what, count in ((_GENERATED, samples), ("reference samples", reference.count)):
            if too_few(count, extractor.width):
                sizes = f"{count} {what} for {extractor.width} features"
                _log.warning("%s: %s: compare it only with the same counts", extractor.metric, sizes)

    @property
    def protocol(self) -> str:
        """How the numbers come about, for the tag `metric.protocol`."""
        network = f"{self.extractor.name}@{self.extractor.hash[:8]} {self.extractor.preprocessing}"
        return (
            f"{network}; {self.samples} samples; reference {self.reference.words}; generator {self.generator}"
        )

    @property
    def paired(self) -> int:
        """Samples of each side that are compared with each other."""
        return self.reference.paired(self.samples)

    @cached_property
    def metrics(self) -> dict[str, str]:
        """What it measures: the recorded name of each metric, and its settings in words."""
        return {metric.recorded_as(self.extractor): metric.settings for metric in metrics_for(self.extractor)}

    def measure(self, sampler: Sampler) -> dict[str, float]:
        """Draw the samples and measure them; each passes the extractor once.

        Parameters
        ----------
        sampler : callable
            See `Sampler`. It owns its randomness; the judge draws none.

        Returns
        -------
        dict
            Every metric of the registry that the extractor gives evidence for, by its recorded name.

        Raises
        ------
        WorkError
            If a sample, a feature or a metric is not finite, or the sampler gives another number of samples.
        """
        if self.ranks.count == 1:
            observed = self._observe(sampler, self.samples, _GENERATED)
            return self._compare(observed, self.reference.observation)
        share = self.ranks.shard(self.samples)
        own = self._observe(lambda count: sampler(self.samples, share), len(share), _GENERATED)
        values = None
        if gathered := self.ranks.gather(own):
            whole, *others = gathered
            for other in others:
                whole.merge(other)
            values = self._compare(whole, self.reference.observation)
        measured = self.ranks.broadcast(values)
        assert measured is not None
        return measured

    def _observe(self, sampler: Sampler, count: int, name: str) -> Observation:
        observed = Observation(self.extractor, name, kept=self.paired)
        for samples in sampler(count):
            if observed.count + len(samples) > count:
                raise WorkError(f"the sampler gave more than the {count} samples asked for")
            stored = as_stored(samples)
            observed.update(stored, self.extractor(stored))
        if observed.count != count:
            raise WorkError(f"the sampler gave {observed.count} samples, {count} were asked for")
        return observed

    def _compare(self, observed: Observation, real: Observation) -> dict[str, float]:
        compared = Comparison(observed, real, self.paired)
        values: dict[str, float] = {}
        for metric in metrics_for(self.extractor):
            name, value = metric.recorded_as(self.extractor), metric.compute(compared)
            if not math.isfinite(value):
                raise WorkError(f"{name} of the {observed.moments.name} is {value}")
            values[name] = value
        return values

    def measure_real(self, samples: np.ndarray, folder: Path) -> dict[str, float]:
        """Measure held-out real samples as though they were generated, or read what was measured before.

        Parameters
        ----------
        samples : ndarray
            All real samples, those of the reference. As many as are compared with each other are taken from
            the half that generated samples are not compared with, and judged by all others.
        folder : Path
            The bench's cache folder.

        Returns
        -------
        dict
            As `measure`, of `paired` samples: what a generator as good as the data would get from so many.
        """
        device = str(getattr(self.extractor, "device", "cpu"))
        rules = json.dumps(
            [_code(), self.paired, self.reference.count, device, environment.kinds_of_arithmetic()]
        )
        name = hashlib.sha256(rules.encode()).hexdigest()[:16]
        base = cache_path(self.extractor, self.reference.data_hash, folder)
        path = base.with_name(f"{base.stem}-real-{name}.json")
        known = _read(path, self.metrics)
        if known is not None:
            return known
        values = self.score_real(samples)
        try:
            write_text(path, json.dumps(values))
        except WorkError as error:
            _log.warning("what real samples score could not be kept: %s", error)
        return values

    def score_real(self, samples: np.ndarray) -> dict[str, float]:
        """Measure held-out real samples as :meth:`measure_real` does, without its cache."""
        half = len(samples) // 2
        held_out = order(len(samples))[half : half + self.paired]
        observed = self._observe(_sampler_of(samples, held_out), self.paired, _HELD_OUT)
        # without those that are judged: a set is nearer to one that it is a part of
        return self._compare(observed, self.reference.observation.without(observed))


@cache
def _code() -> str:
    """The hash of what computes the metrics, so that a mended one is not read from the cache."""
    digest = hashlib.sha256()
    for source in [Path(fixed_draws.__file__), *sorted(Path(__file__).parent.rglob("*.py"))]:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _sampler_of(samples: np.ndarray, places: np.ndarray) -> Sampler:
    """Hand out stored samples as a generator would."""

    def sampler(count: int) -> Iterator[Tensor]:
        for start in range(0, count, _BATCH):
            part = torch.from_numpy(samples[places[start : min(start + _BATCH, count)]])
            yield part if part.dtype == torch.float32 else part.float() / 127.5 - 1

    return sampler


def _read(path: Path, wanted: dict[str, str]) -> dict[str, float] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(values[name]) for name in wanted}
    except (OSError, ValueError, KeyError, TypeError):
        return None
