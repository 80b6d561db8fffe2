"""The judge: measures a sampler against real images, knowing nothing of the model behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from bench.errors import WorkError
from bench.judging.classes import ClassShares
from bench.judging.extraction import Extractor
from bench.judging.frechet import Moments, frechet_distance, too_few
from bench.judging.measurement import CLASSES_COVERED, EFFECTIVE_CLASSES, Measurement
from bench.judging.reference import Reference

Sampler = Callable[[int], Iterable[Tensor]]
"""Called with a count, yields batches float32 (B, C, H, W) in [-1, 1] that hold `count` images together."""

_GENERATED = "generated images"
_log = logging.getLogger(__name__)


def as_stored(images: Tensor) -> Tensor:
    """Turn images (N, C, H, W) in [-1, 1] into uint8 on the CPU, rounded and clamped as files hold them.

    Raises
    ------
    WorkError
        If a value is NaN or infinite.
    """
    values = images.detach().to(torch.float32)
    broken = (~torch.isfinite(values.flatten(1))).any(dim=1)
    if broken.any():
        count = f"{int(broken.sum())} of a batch of {len(values)}"
        raise WorkError(f"{_GENERATED} hold NaN or infinite values ({count})")
    return ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()


class Judge:
    """Measures samplers by one protocol.

    Parameters
    ----------
    extractor : Extractor
        The network that looks.
    reference : Reference
        What it saw in the real images.
    samples : int
        Images asked of a sampler, at least 2.
    generator : str
        Which weights the sampler uses, such as `raw` or `ema`; only told in the protocol.

    Raises
    ------
    ValueError
        If `samples` is below 2 or the reference was measured by another network.
    """

    def __init__(
        self,
        extractor: Extractor,
        reference: Reference,
        samples: int,
        generator: str = "raw",
    ) -> None:
        if samples < 2:
            raise ValueError(f"a judge needs at least 2 samples, not {samples}")
        if reference.extractor_hash != extractor.hash:
            raise ValueError(f"the reference {reference.words} was not measured by {extractor.name}")
        self.extractor, self.reference, self.samples, self.generator = (
            extractor,
            reference,
            samples,
            generator,
        )
        for what, count in ((_GENERATED, samples), ("reference images", reference.moments.count)):
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

    def measure(self, sampler: Sampler) -> Measurement:
        """Draw the samples and measure them; each image passes the network once.

        Parameters
        ----------
        sampler : callable
            See `Sampler`. It owns its randomness; the judge draws none.

        Returns
        -------
        Measurement
            With the extractor's metric, `classes_covered` and `effective_classes`.

        Raises
        ------
        WorkError
            If an image or a feature is not finite, or the sampler gives another number of images.
        """
        moments, shares = Moments(self.extractor.width, _GENERATED), ClassShares()
        for images in sampler(self.samples):
            if moments.count + len(images) > self.samples:
                raise WorkError(f"the sampler gave more than the {self.samples} images asked for")
            features, probabilities = self.extractor(as_stored(images))
            moments.update(features)
            shares.update(probabilities)
        if moments.count != self.samples:
            raise WorkError(f"the sampler gave {moments.count} images, {self.samples} were asked for")
        values: dict[str, float] = {
            self.extractor.metric: frechet_distance(moments, self.reference.moments),
            CLASSES_COVERED: shares.covered(self.reference.shares),
            EFFECTIVE_CLASSES: shares.effective(),
        }
        return Measurement(values, self.reference.counts)
