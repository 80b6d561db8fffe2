"""Samplers that are collapsed on purpose, from a pool of samples whose kinds (classes or modes) are known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.judging.judge import Sampler

SHARES_KEPT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the kinds
SHARES_DISTINCT = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5)  # of the samples asked for
# What counts as collapsed: half of the kinds or fewer, or samples that come ten times each or more often.
# What lies between these and the whole counts as neither.
COLLAPSED_KEPT, COLLAPSED_DISTINCT = 0.5, 0.1
_BATCH = 250


@dataclass(frozen=True)
class Collapse:
    """A sampler, how it was collapsed, and whether so much that a verdict must say so.

    Attributes
    ----------
    kind : str
        ``kinds kept`` or ``samples repeated``.
    degree : float
        Share of the kinds that are kept, or of the samples that are distinct.
    truth : bool or None
        Whether it has collapsed; None between the clear cases.
    sampler : callable
        See :data:`bench.judging.judge.Sampler`.
    """

    kind: str
    degree: float
    truth: bool | None
    sampler: Sampler


def sampler_of(pool: Tensor) -> Sampler:
    """Hand out the samples of a pool, in its order, and from the start again when it is used up."""

    def sampler(count: int) -> Iterator[Tensor]:
        places = torch.arange(count) % len(pool)
        for part in places.split(_BATCH):
            yield pool[part]

    return sampler


def collapses(
    pool: Tensor, kinds: np.ndarray, known: np.ndarray, samples: int, seed: int
) -> Iterator[Collapse]:
    """Collapse a pool by degrees.

    Parameters
    ----------
    pool : Tensor
        Samples float32 in [-1, 1], in random order, and many more than `samples`.
    kinds : ndarray
        int64 (N,): the class or mode of each.
    known : ndarray
        int64 (K,): the kinds that the real samples have.
    samples : int
        How many a judge will ask for.
    seed : int
        Which kinds are left out.
    """
    random = np.random.default_rng(seed)
    for share in SHARES_KEPT:
        kept = random.permutation(known)[: max(1, round(share * len(known)))]
        part = pool[torch.from_numpy(np.isin(kinds, kept))]
        # fewer would come more than once, and be found by that
        if len(part) >= samples:
            yield Collapse("kinds kept", share, True if share <= COLLAPSED_KEPT else None, sampler_of(part))
    for share in SHARES_DISTINCT:
        part = pool[: max(1, round(share * samples))]
        truth = True if share <= COLLAPSED_DISTINCT else None
        yield Collapse("samples repeated", share, truth, sampler_of(part))
