"""Samplers on which no threshold of the collapse verdict was chosen: healthy, or collapsed in other ways.

Each is made from a pool of samples of known kinds (classes or modes), and is healthy or collapsed by
construction. ``collapsed_samplers.py`` has the samplers that the thresholds were chosen on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

DOMINANT = (0.8, 0.9, 0.95)  # share of the samples of the dominant kind
FEW = (0.01, 0.05)  # distinct samples before they are jittered, as a share of the samples
SHRINKAGES = (0.7, 0.9)  # towards the mean of a kind: 9% and 1% of the variance within a kind are left
ANCHORS = (10, 40)  # samples whose nearest neighbours make up all samples
PARTS = (0.1, 0.25)  # share of each kind, at one end of its first principal component
# Deviation of the noise in jittered samples, in the unit of [-1, 1]. For points, a quarter of a mode's
# deviation at most, since more would spread them over the whole mode.
JITTER, JITTER_OF_POINTS = 0.05, 0.002
MIN_POOL = 10  # times the samples: nearest neighbours must be a small part of the pool


@dataclass(frozen=True)
class Made:
    """Samples with a known truth.

    Attributes
    ----------
    kind : str
        How the samples were made.
    degree : float
        Degree of the change.
    truth : bool
        Whether the samples have collapsed, by construction.
    samples : Tensor
        float32 in [-1, 1].
    """

    kind: str
    degree: float
    truth: bool
    samples: Tensor


def collapsed(pool: Tensor, kinds: np.ndarray, samples: int, seed: int) -> Iterator[Made]:
    """Yield collapsed samples that cover all kinds, or hardly repeat a sample.

    Parameters
    ----------
    pool : Tensor
        Samples float32 in [-1, 1], in random order.
    kinds : ndarray
        int64 (N,): the class or mode of each sample.
    samples : int
        Number of samples.
    seed : int
        Seed of the choice of samples and kinds.
    """
    random = np.random.default_rng(seed)
    for share in DOMINANT:
        yield Made("one kind prevails", share, True, with_dominant_kind(pool, kinds, samples, share, random))
    for share in FEW:
        few = pool[torch.from_numpy(random.choice(len(pool), round(share * samples), replace=False))]
        made = jittered(few[torch.arange(samples) % len(few)], random)
        yield Made("few samples, jittered", share, True, made)
    for shrinkage in SHRINKAGES:
        made = shrunk_to_means(pool, kinds, samples, shrinkage)
        yield Made("drawn to the kind's mean", shrinkage, True, made)
    if len(pool) >= MIN_POOL * samples:
        for anchors in ANCHORS:
            made = neighbours(pool, samples, anchors, random)
            yield Made("neighbours of few samples", anchors, True, made)
    for part in PARTS:
        made = parts_of_kinds(pool, kinds, part)
        if len(made) >= samples:
            chosen = torch.from_numpy(random.permutation(len(made))[:samples])
            yield Made("a part of each kind", part, True, made[chosen])


def healthy(pool: Tensor, samples: int, seed: int) -> Iterator[Made]:
    """Yield real samples, unchanged and changed in ways that preserve their diversity.

    Parameters
    ----------
    pool : Tensor
        Real samples float32 in [-1, 1], in random order.
    samples : int
        Number of samples.
    seed : int
        Seed of the choice of samples.
    """
    random = np.random.default_rng(seed)
    chosen = pool[torch.from_numpy(random.choice(len(pool), samples, replace=False))]
    yield Made("real", 1, False, chosen)
    yield Made("less contrast", 0.8, False, 0.8 * chosen)
    yield Made("jittered", 1, False, jittered(chosen, random))
    if chosen.dim() == 2:
        return
    yield Made("turned, degrees", 10, False, rotated(chosen, 10, random))
    thick = nn.functional.max_pool2d(nn.functional.pad(chosen, (1, 0, 1, 0), value=-1.0), 2, 1)
    yield Made("thickened, pixels", 2, False, thick)
    salt = torch.from_numpy(random.random(chosen.shape))
    yield Made(
        "salt and pepper", 0.02, False, chosen.masked_fill(salt < 0.01, -1).masked_fill(salt > 0.99, 1)
    )


def with_dominant_kind(
    pool: Tensor, kinds: np.ndarray, samples: int, share: float, random: np.random.Generator
) -> Tensor:
    """Return samples of which a share is of one kind, and the rest of all other kinds."""
    counts = np.bincount(kinds)
    large_enough = np.flatnonzero(counts >= share * samples)
    # modes of stacked digits are too small: samples of the largest are then repeated with jitter
    kind = random.choice(large_enough) if len(large_enough) else int(counts.argmax())
    own, others = np.flatnonzero(kinds == kind), np.flatnonzero(kinds != kind)
    count = round(share * samples)
    of_kind = pool[torch.from_numpy(np.resize(random.permutation(own), count))]
    if count > len(own):
        of_kind = jittered(of_kind, random)
    rest = pool[torch.from_numpy(random.choice(others, samples - count, replace=False))]
    return torch.cat((of_kind, rest))


def jittered(samples: Tensor, random: np.random.Generator) -> Tensor:
    """Return samples with noise; images are also shifted by up to a pixel in each direction."""
    size = JITTER_OF_POINTS if samples.dim() == 2 else JITTER
    noise = torch.from_numpy(random.normal(0, size, samples.shape)).float()
    if samples.dim() > 2:
        moves = random.integers(-1, 2, (len(samples), 2)).tolist()
        samples = torch.stack(
            [each.roll(tuple(move), (-2, -1)) for each, move in zip(samples, moves, strict=True)]
        )
    return (samples + noise).clamp(-1, 1)


def shrunk_to_means(pool: Tensor, kinds: np.ndarray, samples: int, shrinkage: float) -> Tensor:
    """Return the first samples of a pool, shrunk towards the means of their kinds in the whole pool."""
    of = torch.from_numpy(kinds)
    sums = torch.zeros(int(of.max()) + 1, *pool.shape[1:]).index_add_(0, of, pool)
    counts = torch.bincount(of).clamp(min=1).reshape(-1, *[1] * (pool.dim() - 1))
    return pool[:samples] + shrinkage * ((sums / counts)[of[:samples]] - pool[:samples])


def neighbours(pool: Tensor, samples: int, anchors: int, random: np.random.Generator) -> Tensor:
    """Return the nearest neighbours, within a pool, of a few of its samples."""
    flat = pool.flatten(1)
    chosen = torch.from_numpy(random.choice(len(pool), anchors, replace=False))
    nearest = torch.cdist(flat[chosen], flat).topk(samples // anchors, largest=False).indices
    return pool[nearest.flatten()]


def parts_of_kinds(pool: Tensor, kinds: np.ndarray, part: float) -> Tensor:
    """Return the samples of each kind at one end of the kind's first principal component."""
    kept = []
    for kind in np.unique(kinds):
        own = torch.from_numpy(np.flatnonzero(kinds == kind))
        flat = pool[own].flatten(1).double()
        flat = flat - flat.mean(0)
        along = flat @ torch.linalg.svd(flat, full_matrices=False).Vh[0]
        kept.append(own[along.argsort()[: max(1, round(part * len(own)))]])
    return pool[torch.cat(kept)]


def rotated(images: Tensor, degrees: float, random: np.random.Generator) -> Tensor:
    """Return images, each rotated about its centre by a random angle of up to `degrees`."""
    angle = torch.from_numpy(random.uniform(-degrees, degrees, len(images))).float().deg2rad()
    zero = torch.zeros_like(angle)
    rows = torch.stack((angle.cos(), -angle.sin(), zero)), torch.stack((angle.sin(), angle.cos(), zero))
    grid = nn.functional.affine_grid(
        torch.stack(rows).permute(2, 0, 1), list(images.shape), align_corners=False
    )
    return nn.functional.grid_sample(images + 1, grid, align_corners=False) - 1


def latents_collapsed(prior: Tensor) -> Iterator[tuple[str, float, Tensor]]:
    """Yield collapsed latents of a trained generator: kind, degree and latents.

    Parameters
    ----------
    prior : Tensor
        Latents from the prior, (samples, latent_dim).
    """
    one = prior[:1]
    for scale in (0.05, 0.2):
        yield "latents shrunk about one", scale, one + scale * (prior - one)
    for free in (1, 2):
        latents = one.expand_as(prior).clone()
        latents[:, :free] = prior[:, :free]
        yield "latents vary along so many axes", free, latents
