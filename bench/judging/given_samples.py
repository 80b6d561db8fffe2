"""Samplers over samples that are there already: arrays, and functions that draw them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.datasets import fixed_draws
from bench.training.sampler import CHUNK


def as_drawn(stored: np.ndarray) -> Tensor:
    """Return stored samples as a sampler yields them: bytes as float32 in [-1, 1], points unchanged.

    :func:`bench.judging.judge.as_stored` returns the same bytes again.
    """
    # a copy, since they may be mapped; pixels in another order in memory would be extracted with other bits
    samples = torch.from_numpy(np.array(stored, order="C"))
    return samples if samples.dtype == torch.float32 else samples.float() / 127.5 - 1


def shuffled(count: int) -> np.ndarray:
    """Return a fixed random order of so many samples, int64 (count,)."""
    return fixed_draws.permutation(SEED_OF_ORDER, count)


SEED_OF_ORDER = 1


@dataclass(frozen=True)
class GivenSamples:
    """The sampler of an array.

    Attributes
    ----------
    samples : ndarray
        Images uint8 (N, C, H, W) or points float32 (N, D).
    order : ndarray or None
        Order in which they are drawn, int64 (N,); their own where None.
    """

    samples: np.ndarray
    order: np.ndarray | None = None

    def __call__(self, count: int, indices: range | None = None) -> Iterator[Tensor]:
        """Yield the first `count` samples of the order, in batches as large as a generator's."""
        for start in range(0, count, CHUNK) if indices is None else indices[::CHUNK]:
            end = min(start + CHUNK, count if indices is None else indices.stop)
            rows = slice(start, end) if self.order is None else self.order[start:end]
            yield as_drawn(self.samples[rows])


@dataclass(frozen=True)
class LabelledSamples(GivenSamples):
    """The sampler of an array with the classes that its samples were asked for, int64 (N,)."""

    classes: np.ndarray | None = None

    def labels(self, count: int, indices: range | None = None) -> Tensor:
        """Return the classes of the samples that a call with these arguments yields, int64 on the CPU."""
        assert self.classes is not None
        rows = self.classes if self.order is None else self.classes[self.order]
        part = rows[:count] if indices is None else rows[indices.start : indices.stop]
        return torch.from_numpy(np.array(part))


@dataclass(frozen=True)
class DrawnSamples:
    """The sampler of a function that yields samples in batches.

    Attributes
    ----------
    draw : callable
        Given a number of samples, yields batches of any form.
    to_stored : callable
        Returns a batch as files hold it: images uint8 (B, C, H, W) or points float32 (B, D).
    """

    draw: Callable[[int], Iterator[np.ndarray]]
    to_stored: Callable[[np.ndarray], np.ndarray]

    def __call__(self, count: int, indices: range | None = None) -> Iterator[Tensor]:
        """Yield what the function draws."""
        for batch in self.draw(count):
            yield as_drawn(self.to_stored(batch))
