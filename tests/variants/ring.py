"""A short training on the ring of eight modes, without a run's files, and what was learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.configuration import resolve
from bench.datasets.points import Ring8
from bench.training.learning_rate import LearningRateRule
from bench.training.step import ComputeOptions, TrainingStep
from variants.base import Variant
from variants.noise import Noise

CPU = torch.device("cpu")
SEED, SAMPLES = 0, 2000
# standard deviations within which a sample is near a mode, as the judge counts
NEAR = 3.0
# samples that cover a mode
LEAST = 20


class RingBatches:
    """Endless batches of the ring's points, with their modes as classes."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        ring = Ring8()
        self.points = torch.from_numpy(ring.points())
        self.modes = torch.from_numpy(ring.labels())

    def _rows(self, index: int) -> Tensor:
        draws = torch.Generator().manual_seed(index)
        return torch.randint(len(self.points), (self.batch_size,), generator=draws)

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        return self.points[self._rows(index)].chunk(micro_batches)[micro_batch]

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        return self.modes[self._rows(index)].chunk(micro_batches)[micro_batch]


@dataclass(frozen=True)
class LearnedRing:
    """A trained variant, latents of its prior, and the points that it makes of them."""

    variant: Variant
    latents: Tensor
    points: Tensor

    def _distances(self) -> Tensor:
        return torch.cdist(self.points, torch.from_numpy(Ring8().centres()).float())

    def nearest_modes(self) -> Tensor:
        """The number of the mode that is nearest to each point."""
        return self._distances().argmin(dim=1)

    @property
    def near(self) -> Tensor:
        """Whether a point lies within three standard deviations of a mode's centre."""
        return self._distances().amin(dim=1) < NEAR * Ring8.deviation

    @property
    def share_near(self) -> float:
        """The share of such points."""
        return self.near.float().mean().item()

    @property
    def mean_distance(self) -> float:
        """The mean distance of a point to the nearest centre of a mode."""
        return self._distances().amin(dim=1).mean().item()

    @property
    def smallest_share(self) -> float:
        """The share of points at the mode that is the nearest one of the fewest."""
        return self.nearest_modes().bincount(minlength=8).min().item() / len(self.points)

    @property
    def mean_error(self) -> float:
        """The mean distance of 500 real points to their reconstructions."""
        real = RingBatches(500).get(0)
        with torch.no_grad():
            reconstructed = self.variant.reconstruct(real)
        assert reconstructed is not None
        return (reconstructed - real).norm(dim=1).mean().item()

    @property
    def modes_covered(self) -> int:
        """The number of modes with 20 such points of 2,000 or more."""
        counts = np.bincount(self.nearest_modes()[self.near].numpy(), minlength=8)
        return int((counts >= LEAST).sum())


def learn_ring(name: str, steps: int, **knobs: Any) -> LearnedRing:
    """Train a variant with its preset for points."""
    configuration = resolve({"variant": name, "preset": "points", "dataset": "ring-8", **knobs})
    kind, own = configuration.variant, configuration.hyperparameters
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        variant = kind(own, (2,), 8 if kind.conditional else 0).train()
    batches = RingBatches(configuration.harness.batch_size)
    training = TrainingStep(variant, batches, own, steps, SEED, CPU, ComputeOptions())
    rule = LearningRateRule("halve_every", steps // 4, 0.0)
    for step in range(1, steps + 1):
        for network, optimizer in zip(variant.networks().values(), training.optimizers.values(), strict=True):
            start = float(getattr(own, network.learning_rate))
            optimizer.param_groups[0]["lr"] = rule.rate(start, rule.halvings(step, ()))
        training.run(step)
    with torch.no_grad():
        latents = variant.eval().draw_latent(Noise(SEED, 0, CPU), SAMPLES)
        return LearnedRing(variant, latents, variant.generator(latents))
