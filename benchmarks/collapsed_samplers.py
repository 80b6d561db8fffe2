"""Samplers collapsed on purpose, made from a pool of samples of known kinds (classes or modes)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.judging.judge import Sampler

SHARES_KEPT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the kinds
SHARES_DISTINCT = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5)  # of the requested samples
# A sampler counts as collapsed with half of the kinds or fewer, or if each sample occurs ten times or more.
# Samplers between these and the whole pool count as neither collapsed nor healthy.
COLLAPSED_KEPT, COLLAPSED_DISTINCT = 0.5, 0.1
_BATCH = 250


@dataclass(frozen=True)
class Collapse:
    """A sampler collapsed on purpose.

    Attributes
    ----------
    kind : str
        ``kinds kept`` or ``samples repeated``.
    degree : float
        Share of the kinds that are kept, or of the samples that are distinct.
    truth : bool or None
        Whether the sampler counts as collapsed; None between the clear cases.
    sampler : callable
        See :data:`bench.judging.judge.Sampler`.
    """

    kind: str
    degree: float
    truth: bool | None
    sampler: Sampler


def sampler_of(pool: Tensor) -> Sampler:
    """Return a sampler that yields the samples of a pool in order, and repeats the pool if necessary."""

    def sampler(count: int) -> Iterator[Tensor]:
        positions = torch.arange(count) % len(pool)
        for part in positions.split(_BATCH):
            yield pool[part]

    return sampler


def collapses(
    pool: Tensor, kinds: np.ndarray, known: np.ndarray, samples: int, seed: int
) -> Iterator[Collapse]:
    """Yield samplers of a pool, collapsed by several degrees.

    Parameters
    ----------
    pool : Tensor
        Samples float32 in [-1, 1], in random order, and many more than `samples`.
    kinds : ndarray
        int64 (N,): the class or mode of each sample.
    known : ndarray
        int64 (K,): the kinds of the real samples.
    samples : int
        Number of samples that a judge requests.
    seed : int
        Seed of the choice of kinds.
    """
    random = np.random.default_rng(seed)
    for share in SHARES_KEPT:
        kept = random.permutation(known)[: max(1, round(share * len(known)))]
        part = pool[torch.from_numpy(np.isin(kinds, kept))]
        # from a smaller pool, samples would be repeated and detected by the repetition
        if len(part) >= samples:
            yield Collapse("kinds kept", share, True if share <= COLLAPSED_KEPT else None, sampler_of(part))
    for share in SHARES_DISTINCT:
        part = pool[: max(1, round(share * samples))]
        truth = True if share <= COLLAPSED_DISTINCT else None
        yield Collapse("samples repeated", share, truth, sampler_of(part))
