"""Samplers on which no threshold of the collapse verdict was chosen: collapsed in other ways, or well.

Each is made from a pool of samples whose kinds (classes or modes) are known, and its truth follows from how
it is made. ``collapsed_samplers.py`` has the ways that the thresholds were chosen on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

PREVAILING = (0.8, 0.9, 0.95)  # share of the samples that are of one kind
FEW = (0.01, 0.05)  # distinct samples before they are jittered, as a share of the samples
PULLS = (0.7, 0.9)  # of the way to a kind's mean: 9% and 1% of the variance within a kind are left
ANCHORS = (10, 40)  # samples whose nearest neighbours are all there is
PARTS = (0.1, 0.25)  # of each kind, from one end of its first principal component
# Noise of jittered samples, in the units of [-1, 1]; of points a quarter of their modes' deviation at most,
# since more would spread them over whole modes
JITTER, JITTER_OF_POINTS = 0.05, 0.002
SMALLEST_POOL = 10  # times the samples, where neighbours of few samples must be a small part of the data


@dataclass(frozen=True)
class Made:
    """Samples, how they were made, and whether they have collapsed.

    Attributes
    ----------
    kind : str
        How they were made.
    degree : float
        How much of it.
    truth : bool
        Whether they have collapsed: by construction.
    samples : Tensor
        float32 in [-1, 1].
    """

    kind: str
    degree: float
    truth: bool
    samples: Tensor


def collapsed(pool: Tensor, kinds: np.ndarray, samples: int, seed: int) -> Iterator[Made]:
    """Samples of a collapsed sampler in ways that leave all kinds, or hardly repeat a sample.

    Parameters
    ----------
    pool : Tensor
        Samples float32 in [-1, 1], in random order.
    kinds : ndarray
        int64 (N,): the class or mode of each.
    samples : int
        How many to make.
    seed : int
        Which samples and kinds are taken.
    """
    random = np.random.default_rng(seed)
    for share in PREVAILING:
        yield Made("one kind prevails", share, True, one_kind_prevails(pool, kinds, samples, share, random))
    for share in FEW:
        few = pool[torch.from_numpy(random.choice(len(pool), round(share * samples), replace=False))]
        made = jittered(few[torch.arange(samples) % len(few)], random)
        yield Made("few samples, jittered", share, True, made)
    for pull in PULLS:
        yield Made("drawn to the kind's mean", pull, True, drawn_to_means(pool, kinds, samples, pull))
    if len(pool) >= SMALLEST_POOL * samples:
        for anchors in ANCHORS:
            made = neighbours(pool, samples, anchors, random)
            yield Made("neighbours of few samples", anchors, True, made)
    for part in PARTS:
        made = parts_of_kinds(pool, kinds, part)
        if len(made) >= samples:
            chosen = torch.from_numpy(random.permutation(len(made))[:samples])
            yield Made("a part of each kind", part, True, made[chosen])


def well(pool: Tensor, samples: int, seed: int) -> Iterator[Made]:
    """As many real samples as they are, and changed in ways that leave their diversity.

    Parameters
    ----------
    pool : Tensor
        Real samples float32 in [-1, 1], in random order.
    samples : int
        How many to make.
    seed : int
        Which are taken.
    """
    random = np.random.default_rng(seed)
    taken = pool[torch.from_numpy(random.choice(len(pool), samples, replace=False))]
    yield Made("real", 1, False, taken)
    yield Made("less contrast", 0.8, False, 0.8 * taken)
    yield Made("jittered", 1, False, jittered(taken, random))
    if taken.dim() == 2:
        return
    yield Made("turned, degrees", 10, False, turned(taken, 10, random))
    thick = nn.functional.max_pool2d(nn.functional.pad(taken, (1, 0, 1, 0), value=-1.0), 2, 1)
    yield Made("thickened, pixels", 2, False, thick)
    salt = torch.from_numpy(random.random(taken.shape))
    yield Made("salt and pepper", 0.02, False, taken.masked_fill(salt < 0.01, -1).masked_fill(salt > 0.99, 1))


def one_kind_prevails(
    pool: Tensor, kinds: np.ndarray, samples: int, share: float, random: np.random.Generator
) -> Tensor:
    """A share of the samples of the kind that has enough of them, the rest of all others."""
    counts = np.bincount(kinds)
    able = np.flatnonzero(counts >= share * samples)
    # modes of stacked digits have too few: the largest is then repeated with jitter
    kind = random.choice(able) if len(able) else int(counts.argmax())
    own, others = np.flatnonzero(kinds == kind), np.flatnonzero(kinds != kind)
    count = round(share * samples)
    of_kind = pool[torch.from_numpy(np.resize(random.permutation(own), count))]
    if count > len(own):
        of_kind = jittered(of_kind, random)
    rest = pool[torch.from_numpy(random.choice(others, samples - count, replace=False))]
    return torch.cat((of_kind, rest))


def jittered(samples: Tensor, random: np.random.Generator) -> Tensor:
    """Noise on every sample; images also move by a pixel at most in each direction."""
    size = JITTER_OF_POINTS if samples.dim() == 2 else JITTER
    noise = torch.from_numpy(random.normal(0, size, samples.shape)).float()
    if samples.dim() > 2:
        moves = random.integers(-1, 2, (len(samples), 2)).tolist()
        samples = torch.stack(
            [each.roll(tuple(move), (-2, -1)) for each, move in zip(samples, moves, strict=True)]
        )
    return (samples + noise).clamp(-1, 1)


def drawn_to_means(pool: Tensor, kinds: np.ndarray, samples: int, pull: float) -> Tensor:
    """The first of a pool, each a part of the way to the mean of its kind in the whole pool."""
    of = torch.from_numpy(kinds)
    sums = torch.zeros(int(of.max()) + 1, *pool.shape[1:]).index_add_(0, of, pool)
    counts = torch.bincount(of).clamp(min=1).reshape(-1, *[1] * (pool.dim() - 1))
    return pool[:samples] + pull * ((sums / counts)[of[:samples]] - pool[:samples])


def neighbours(pool: Tensor, samples: int, anchors: int, random: np.random.Generator) -> Tensor:
    """The nearest of a pool to a few of its samples, each once if the few lie apart."""
    flat = pool.flatten(1)
    chosen = torch.from_numpy(random.choice(len(pool), anchors, replace=False))
    nearest = torch.cdist(flat[chosen], flat).topk(samples // anchors, largest=False).indices
    return pool[nearest.flatten()]


def parts_of_kinds(pool: Tensor, kinds: np.ndarray, part: float) -> Tensor:
    """Of every kind the samples at one end of its first principal component."""
    kept = []
    for kind in np.unique(kinds):
        own = torch.from_numpy(np.flatnonzero(kinds == kind))
        flat = pool[own].flatten(1).double()
        flat = flat - flat.mean(0)
        along = flat @ torch.linalg.svd(flat, full_matrices=False).Vh[0]
        kept.append(own[along.argsort()[: max(1, round(part * len(own)))]])
    return pool[torch.cat(kept)]


def turned(images: Tensor, degrees: float, random: np.random.Generator) -> Tensor:
    """Each image turned about its middle by a random angle up to so many degrees."""
    angle = torch.from_numpy(random.uniform(-degrees, degrees, len(images))).float().deg2rad()
    zero = torch.zeros_like(angle)
    rows = torch.stack((angle.cos(), -angle.sin(), zero)), torch.stack((angle.sin(), angle.cos(), zero))
    grid = nn.functional.affine_grid(
        torch.stack(rows).permute(2, 0, 1), list(images.shape), align_corners=False
    )
    return nn.functional.grid_sample(images + 1, grid, align_corners=False) - 1


def latents_collapsed(healthy: Tensor) -> Iterator[tuple[str, float, Tensor]]:
    """Latents that a trained generator turns into a collapse: how, how much, and the latents.

    Parameters
    ----------
    healthy : Tensor
        Latents from the prior, (samples, latent_dim).
    """
    one = healthy[:1]
    for scale in (0.05, 0.2):
        yield "latents shrunk about one", scale, one + scale * (healthy - one)
    for free in (1, 2):
        held = one.expand_as(healthy).clone()
        held[:, :free] = healthy[:, :free]
        yield "latents vary along so many axes", free, held
