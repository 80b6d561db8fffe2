"""Samplers whose truth is known by construction: collapsed, memorised or well, by mechanism and degree.

A sampler is made from a pool of real images or points whose kinds (labels, modes) are known. No truth comes
from a metric:

- *collapsed*: whole kinds are lost (half of the data or less is left, the kinds of the other half have 5% of
  the samples or less, or one kind has 80% or more); or a tenth or less of the variance inside kinds is left,
  in pixels; or all samples derive from fifty images or fewer, from a tenth as many distinct ones as there are
  samples, or lie on a plane of four dimensions or fewer;
- *memorised*: the samples are training images, each shown once, unchanged or nearly so;
- *well*: the samples derive from as many real images, each by a change that leaves them distinct;
- None, in no score: between these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sample_changes import Random, as_generated, compressed, jittered, noisy, repeated, turned
from torch import Tensor, nn

Truth = Literal["collapsed", "memorised", "well"]

TURN, SHIFT = 15.0, 2  # degrees and pixels, at most
COMPONENTS_FROM = 1000  # images whose principal components are computed


@dataclass(frozen=True)
class Pool:
    """The real samples that samplers are made from.

    Attributes
    ----------
    samples : ndarray
        Images uint8 (N, C, H, W) or points float32 (N, 2), none of them a training sample of the judge.
    kinds : ndarray
        int64 (N,): the label or mode of each sample.
    training : ndarray
        Samples as `samples`, none of them among these: the training samples of the judge.
    count : int
        Number of samples of a sampler.
    """

    samples: np.ndarray
    kinds: np.ndarray
    training: np.ndarray
    count: int

    def at(self, indices: np.ndarray) -> Tensor:
        """Return the samples at these places as a generator's output, float32 in [-1, 1]."""
        return as_generated(self.samples[indices])

    def some(self, random: Random, count: int | None = None) -> Tensor:
        """Return distinct samples, by default as many as a sampler has."""
        number = self.count if count is None else count
        return self.at(random.choice(len(self.samples), number, replace=False))


Make = Callable[[Pool, float, Random], Tensor | None]


@dataclass(frozen=True)
class Mechanism:
    """One way to make samplers.

    Attributes
    ----------
    name : str
        What is done to the samples.
    degrees : mapping
        Degree of the change to the truth.
    make : callable
        Returns the samples, float32 in [-1, 1]; None where the pool is too small.
    kinds_of_data : frozenset of str
        Data that it applies to: ``points``, ``digits``, ``garments``, ``photographs``.
    """

    name: str
    degrees: Mapping[float, Truth | None]
    make: Make
    kinds_of_data: frozenset[str]


MECHANISMS: dict[str, Mechanism] = {}
IMAGES = ("digits", "garments", "photographs")
ALL = ("points", *IMAGES)


def mechanism(
    name: str, degrees: Mapping[float, Truth | None], of: tuple[str, ...] = IMAGES
) -> Callable[[Make], Make]:
    """Register a function as a mechanism."""

    def register(make: Make) -> Make:
        MECHANISMS[name] = Mechanism(name, degrees, make, frozenset(of))
        return make

    return register


def seeded(name: str, degree: float, seed: int) -> Random:
    """Return the random numbers of a case, which no other case shares."""
    return np.random.default_rng([seed, *f"{name} {degree:g}".encode()])


@mechanism("kinds missing", {0.1: "collapsed", 0.3: "collapsed", 0.5: "collapsed", 0.7: None, 0.9: None}, ALL)
def kinds_missing(pool: Pool, share: float, random: Random) -> Tensor | None:
    """Samples of kinds that hold at most this share of the data."""
    members = np.flatnonzero(np.isin(pool.kinds, _kinds_of_share(pool, share, random)))
    if len(members) < pool.count:
        return None  # samples would be repeated, and found by the repetition
    return pool.at(random.choice(members, pool.count, replace=False))


def _kinds_of_share(pool: Pool, share: float, random: Random) -> np.ndarray:
    """Return random kinds that together hold at most this share of the data, but for 2%; one at least."""
    names, counts = np.unique(pool.kinds, return_counts=True)
    order = random.permutation(len(names))
    held = np.cumsum(counts[order]) / counts.sum()
    return names[order[: max(1, int((held <= share + 0.02).sum()))]]


@mechanism("one kind prevails", {0.5: None, 0.8: "collapsed", 0.95: "collapsed"}, ALL)
def one_kind_prevails(pool: Pool, share: float, random: Random) -> Tensor | None:
    """Samples of which a share is of one kind, and the rest of the others."""
    count, sizes = round(share * pool.count), np.bincount(pool.kinds)
    large_enough = np.flatnonzero(sizes >= count)
    if not len(large_enough):
        return None
    own = pool.kinds == random.choice(large_enough)
    chosen = random.choice(np.flatnonzero(own), count, replace=False)
    rest = random.choice(np.flatnonzero(~own), pool.count - count, replace=False)
    return pool.at(np.concatenate((chosen, rest)))


@mechanism("rare kinds", {0.02: "collapsed", 0.05: "collapsed", 0.2: None}, ALL)
def rare_kinds(pool: Pool, share: float, random: Random) -> Tensor | None:
    """Samples of which kinds that hold half of the data have this share, and the others the rest."""
    common = np.isin(pool.kinds, _kinds_of_share(pool, 0.5, random))
    count = round(share * pool.count)
    if common.sum() < pool.count:
        return None
    rare = random.choice(np.flatnonzero(~common), count, replace=False)
    rest = random.choice(np.flatnonzero(common), pool.count - count, replace=False)
    return pool.at(np.concatenate((rare, rest)))


@mechanism("samples repeated", {0.005: "collapsed", 0.02: "collapsed", 0.1: "collapsed", 0.5: None}, ALL)
def samples_repeated(pool: Pool, share: float, random: Random) -> Tensor:
    """A share of the samples is distinct, and repeated."""
    return repeated(pool.some(random, round(share * pool.count)), pool.count)


@mechanism("few samples, jittered", {0.01: "collapsed", 0.05: "collapsed", 0.2: None}, ALL)
def few_jittered(pool: Pool, share: float, random: Random) -> Tensor:
    """A share of the samples is distinct, and repeated with noise and, of images, shifts by a pixel."""
    return jittered(repeated(pool.some(random, round(share * pool.count)), pool.count), random)


@mechanism("few images, turned and shifted", {10: "collapsed", 50: "collapsed", 200: None})
def few_turned(pool: Pool, number: float, random: Random) -> Tensor:
    """So many images, of every kind in turn, each turned by up to 15 degrees, shifted by up to 2 pixels."""
    order = random.permutation(len(pool.kinds))
    # the first of each kind, then the second of each, and so on
    rank = np.empty(len(order), dtype=int)
    for kind in np.unique(pool.kinds):
        own = order[pool.kinds[order] == kind]
        rank[own] = np.arange(len(own))
    chosen = order[np.argsort(rank[order], kind="stable")][: int(number)]
    return turned(repeated(pool.at(chosen), pool.count), TURN, SHIFT, random)


@mechanism("few images with noise", {10: "collapsed", 50: "collapsed", 200: None})
def few_noisy(pool: Pool, number: float, random: Random) -> Tensor:
    """So many images, each repeated with fresh noise of deviation 0.1."""
    return noisy(repeated(pool.some(random, int(number)), pool.count), 0.1, random)


@mechanism("mixtures of few images", {5: "collapsed", 20: "collapsed", 100: None})
def mixtures(pool: Pool, number: float, random: Random) -> Tensor:
    """Interpolations between two of so many images."""
    few = pool.some(random, int(number))
    one, other = (torch.from_numpy(random.integers(0, len(few), pool.count)) for _ in range(2))
    weight = torch.from_numpy(random.random(pool.count)).float().reshape(-1, 1, 1, 1)
    return weight * few[one] + (1 - weight) * few[other]


# Of real images, a tenth of each kind keeps half to nine tenths of the variance inside kinds: no clear cases.
@mechanism("neighbours of few samples", {10: None, 40: None}, ALL)
def neighbours(pool: Pool, anchors: float, random: Random) -> Tensor | None:
    """The nearest neighbours, within the pool, of so many of its samples; at most a tenth of the pool."""
    if len(pool.samples) < 10 * pool.count:
        return None
    chosen = random.choice(len(pool.samples), int(anchors), replace=False)
    flat = torch.from_numpy(pool.samples.reshape(len(pool.samples), -1)).float()
    nearest = torch.cdist(flat[chosen], flat).topk(pool.count // len(chosen), largest=False).indices
    return pool.at(nearest.flatten().numpy())


@mechanism("near one sample of each kind", {0.1: None, 0.25: None}, ALL)
def near_one(pool: Pool, part: float, random: Random) -> Tensor | None:
    """The part of each kind that is nearest to a sample of the kind."""

    def nearness(flat: Tensor) -> Tensor:
        return (flat - flat[int(random.integers(len(flat)))]).square().sum(dim=1)

    return _part_of_kinds(pool, part, nearness, random)


@mechanism("one end of each kind", {0.1: None, 0.25: None}, ALL)
def one_end(pool: Pool, part: float, random: Random) -> Tensor | None:
    """The part of each kind at one end of the kind's first principal component."""

    def along(flat: Tensor) -> Tensor:
        centred = flat - flat.mean(dim=0)
        if flat.shape[1] < len(flat):
            places = centred @ torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
        else:
            places = torch.linalg.eigh(centred @ centred.T).eigenvectors[:, -1]
        return places * float(random.choice((-1, 1)))

    return _part_of_kinds(pool, part, along, random)


def _part_of_kinds(
    pool: Pool, part: float, order: Callable[[Tensor], Tensor], random: Random
) -> Tensor | None:
    """Return samples of the part of each kind that comes first in an order; None if there are too few."""
    kept = []
    for kind in np.unique(pool.kinds):
        own = np.flatnonzero(pool.kinds == kind)
        flat = torch.from_numpy(pool.samples[own].reshape(len(own), -1)).float()
        kept.append(own[order(flat).argsort().numpy()[: max(1, round(part * len(own)))]])
    members = np.concatenate(kept)
    if len(members) < pool.count:
        return None
    return pool.at(random.choice(members, pool.count, replace=False))


@mechanism("drawn to the kind's mean", {0.5: None, 0.7: "collapsed", 0.9: "collapsed"}, ALL)
def drawn_to_mean(pool: Pool, shrinkage: float, random: Random) -> Tensor | None:
    """Samples drawn towards the means of their kinds: by 0.7, 9% of the variance inside kinds is left."""
    return _drawn(pool, shrinkage, random, lambda own: own.mean(dim=0))


@mechanism("drawn to one sample of each kind", {0.5: None, 0.7: "collapsed", 0.9: "collapsed"}, ALL)
def drawn_to_one(pool: Pool, shrinkage: float, random: Random) -> Tensor | None:
    """Samples drawn towards one of their kind: by 0.7, 9% of the variance inside kinds is left."""
    return _drawn(pool, shrinkage, random, lambda own: own[int(random.integers(len(own)))])


def _drawn(pool: Pool, shrinkage: float, random: Random, centre: Callable[[Tensor], Tensor]) -> Tensor | None:
    """Return distinct samples, drawn towards the centres of their kinds; None where kinds are small."""
    if np.bincount(pool.kinds).max() < 50:
        return None  # a mean of few is no image of the kind
    chosen = random.choice(len(pool.samples), pool.count, replace=False)
    made = pool.at(chosen)
    for kind in np.unique(pool.kinds[chosen]):
        own = torch.from_numpy(pool.kinds[chosen] == kind)
        made[own] += shrinkage * (centre(as_generated(pool.samples[pool.kinds == kind])) - made[own])
    return made


@mechanism("low rank", {1: "collapsed", 2: "collapsed", 4: "collapsed", 16: None})
def low_rank(pool: Pool, components: float, random: Random) -> Tensor:
    """Samples projected onto the mean and so many principal components of the pool."""
    return projected(pool, int(components), random)


@mechanism("copies of training samples", {0.2: None, 0.5: "memorised", 1: "memorised"}, ALL)
def copies(pool: Pool, share: float, random: Random) -> Tensor:
    """Distinct samples, a share of them training samples."""
    count = round(share * pool.count)
    return torch.cat((_of_training(pool, random, count), pool.some(random, pool.count - count)))


@mechanism("copies with noise", {0.05: "memorised"})
def copies_with_noise(pool: Pool, deviation: float, random: Random) -> Tensor:
    """Distinct training images, each with noise."""
    return noisy(_of_training(pool, random, pool.count), deviation, random)


@mechanism("copies shifted by a pixel", {1: "memorised"})
def copies_shifted(pool: Pool, pixels: float, random: Random) -> Tensor:
    """Distinct training images, each shifted by up to a pixel in each direction."""
    return turned(_of_training(pool, random, pool.count), 0, int(pixels), random)


def _of_training(pool: Pool, random: Random, count: int) -> Tensor:
    return as_generated(pool.training[random.choice(len(pool.training), count, replace=False)])


@mechanism("real", {1: "well"}, ALL)
def real(pool: Pool, degree: float, random: Random) -> Tensor:
    """Distinct real samples."""
    return pool.some(random)


@mechanism("jittered", {1: "well"}, ALL)
def all_jittered(pool: Pool, degree: float, random: Random) -> Tensor:
    """Distinct samples with a little noise and, of images, shifts by a pixel."""
    return jittered(pool.some(random), random)


@mechanism("noise", {0.1: "well", 0.3: "well"})
def with_noise(pool: Pool, deviation: float, random: Random) -> Tensor:
    """Distinct images with noise."""
    return noisy(pool.some(random), deviation, random)


@mechanism("salt and pepper", {0.02: "well"})
def salt_and_pepper(pool: Pool, share: float, random: Random) -> Tensor:
    """Distinct images of which a share of the pixels is black or white."""
    images = pool.some(random)
    salt = torch.from_numpy(random.random((len(images), 1, *images.shape[2:])))
    return images.masked_fill(salt < share / 2, -1).masked_fill(salt > 1 - share / 2, 1)


@mechanism("blur", {3: "well", 5: None})
def blurred(pool: Pool, width: float, random: Random) -> Tensor:
    """Distinct images, each pixel the mean of a square of so many pixels (twice as wide at 64 pixels)."""
    images = pool.some(random)
    border = int(width) // 2 * max(1, images.shape[-1] // 32)
    padded = nn.functional.pad(images, [border] * 4, mode="replicate")
    return nn.functional.avg_pool2d(padded, 2 * border + 1, stride=1)


@mechanism("halved resolution", {0.5: "well"})
def halved(pool: Pool, scale: float, random: Random) -> Tensor:
    """Distinct images, shrunk to half the side and enlarged again."""
    images = pool.some(random)
    small = nn.functional.interpolate(images, scale_factor=scale, mode="area")
    return nn.functional.interpolate(small, size=images.shape[-2:], mode="bilinear", align_corners=False)


@mechanism("less contrast", {0.8: "well"}, ALL)
def less_contrast(pool: Pool, factor: float, random: Random) -> Tensor:
    """Distinct samples, drawn to the middle grey (points: to the origin)."""
    return factor * pool.some(random)


@mechanism("gamma", {0.7: "well"})
def gamma(pool: Pool, exponent: float, random: Random) -> Tensor:
    """Distinct images, brightened by a power of their values in [0, 1]."""
    return ((pool.some(random) + 1) / 2).pow(exponent) * 2 - 1


@mechanism("JPEG", {30: "well"})
def jpeg(pool: Pool, quality: float, random: Random) -> Tensor:
    """Distinct images as JPEG files of this quality."""
    return compressed(pool.some(random), int(quality))


@mechanism("PCA reconstruction", {0.8: None, 0.95: "well"})
def reconstructed(pool: Pool, variance: float, random: Random) -> Tensor:
    """Distinct images, projected onto so many components that they keep this share of the variance."""
    return projected(pool, variance, random)


@mechanism("turned and shifted", {10: "well"})
def all_turned(pool: Pool, degrees: float, random: Random) -> Tensor:
    """Distinct images, turned by up to so many degrees and shifted by up to 2 pixels."""
    return turned(pool.some(random), degrees, SHIFT, random)


@mechanism("mirrored", {1: "well"}, ("garments", "photographs"))  # a mirrored digit is none
def mirrored(pool: Pool, degree: float, random: Random) -> Tensor:
    """Distinct images, left and right exchanged."""
    return pool.some(random).flip(-1)


@mechanism("thickened", {2: "well"}, ("digits", "garments"))
def thickened(pool: Pool, pixels: float, random: Random) -> Tensor:
    """Distinct images, each pixel the brightest of a square of so many pixels."""
    border = int(pixels) - 1
    padded = nn.functional.pad(pool.some(random), (border, 0, border, 0), value=-1.0)
    return nn.functional.max_pool2d(padded, int(pixels), 1)


def projected(pool: Pool, components: float, random: Random) -> Tensor:
    """Return distinct images, projected onto principal components of others.

    Parameters
    ----------
    pool : Pool
        The real images.
    components : float
        Number of components, or below 1 the share of the variance that they keep.
    random : numpy.random.Generator
        Chooses the images.
    """
    basis = pool.some(random, min(COMPONENTS_FROM, len(pool.samples))).flatten(1)
    mean = basis.mean(dim=0)
    centred = basis - mean
    # of the smaller product: images may have more pixels than there are images
    pixels = centred.shape[1] < len(centred)
    values, vectors = torch.linalg.eigh(centred.T @ centred if pixels else centred @ centred.T)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    if components < 1:
        components = int((values.cumsum(0) / values.sum() < components).sum()) + 1
    first = vectors[:, : int(components)]
    axes = first if pixels else nn.functional.normalize(centred.T @ first, dim=0)
    images = pool.some(random)
    flat = images.flatten(1) - mean
    return (mean + flat @ axes @ axes.T).reshape(images.shape).clamp(-1, 1)
