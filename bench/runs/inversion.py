"""Inversion of a generator: latents whose samples are close to given samples, found by Adam on G.

The BEGAN paper finds z of real images by Adam on |x - G(z)| (Berthelot et al. 2017, section 4.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from bench.runs.prior import PriorPart, prior_of
from variants.base import Variant

STEPS = 300
LEARNING_RATE = 0.05
CANDIDATES = 100  # latents of the prior; the one with the closest sample is the start
CHUNK = 250  # samples that are inverted together


@dataclass(frozen=True)
class Inversion:
    """Latents that were found for given samples.

    Attributes
    ----------
    latents : Tensor
        float32 (n, width), within the range of a uniform prior.
    samples : Tensor
        Samples of the latents, float32 (n, ...).
    errors : Tensor
        Mean absolute difference of each sample to the given one, over pixels and channels, float32 (n,).
    """

    latents: Tensor
    samples: Tensor
    errors: Tensor


class Generating(Protocol):
    """A trained generator, as :class:`bench.runs.generator.TrainedGenerator` is one."""

    @property
    def variant(self) -> Variant:
        """The variant."""

    @property
    def generator(self) -> nn.Module:
        """The generator that is judged."""

    @property
    def latent_dim(self) -> int:
        """Width of latents."""

    def latents(self, n: int, seed: int = 0, label: int | str | None = None) -> Tensor:
        """Draw latents from the prior, float32 (n, width), of one class if `label` is given."""

    def generate(self, latents: Tensor) -> Tensor:
        """Map latents to samples, without a graph."""

    def class_number(self, label: int | str) -> int:
        """Return the number of a class."""


def invert(
    trained: Generating,
    samples: Tensor,
    labels: Sequence[int | str] | None = None,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
) -> Inversion:
    """Minimise |x - G(z)| over z for each sample, by Adam.

    Adam starts at that of `CANDIDATES` latents of the prior whose sample is the closest. Each step is
    followed by a projection on the range of a uniform prior. One-hot parts of latents, such as classes, stay
    those of the start. The result is the best latent of all steps; equal arguments give equal results.

    Parameters
    ----------
    trained : Generating
        The generator.
    samples : Tensor
        float32 (n, ...), images in [-1, 1].
    labels : sequence of int or str, optional
        Class of each latent of a conditional run, number or name; that of the closest latent by default.
    steps, learning_rate
        Steps of Adam, each with one pass through the generator and back, and Adam's learning rate.
    seed : int
        Seed of the latents of the prior.

    Raises
    ------
    RequestError
        If there are labels and the run is unconditional, or has no such class.
    """
    if labels is None:
        start = _closest(trained, samples, trained.latents(CANDIDATES, seed))
    else:
        start = torch.empty((len(samples), trained.latent_dim))
        numbers = torch.tensor([trained.class_number(label) for label in labels])
        for number in numbers.unique().tolist():
            candidates = trained.latents(CANDIDATES, seed, number)
            start[numbers == number] = _closest(trained, samples[numbers == number], candidates)
    latents = torch.cat(
        [
            _minimise(trained, of_samples, of_start, steps, learning_rate)
            for of_samples, of_start in zip(samples.split(CHUNK), start.split(CHUNK), strict=True)
        ]
    )
    made = trained.generate(latents)
    return Inversion(latents, made, _distances(samples, made))


def _minimise(
    trained: Generating, samples: Tensor, start: Tensor, steps: int, learning_rate: float
) -> Tensor:
    low, high, free = _limits(prior_of(trained.variant))
    latents = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=learning_rate)
    best, lowest = start.clone(), torch.full((len(samples),), math.inf)
    for step in range(steps + 1):
        with torch.enable_grad():
            # not clamped: beyond the bounds of images there would be no gradient
            errors = _distances(samples, trained.generator(latents))
            total = errors.sum()
        with torch.no_grad():
            better = errors < lowest
            lowest = torch.where(better, errors, lowest)
            best[better] = latents[better]
            if step == steps:
                break
            # of the latents alone: the parameters of the generator get no gradient
            (gradient,) = torch.autograd.grad(total, latents)
            latents.grad = gradient * free
            optimizer.step()
            latents.copy_(torch.where(free, latents.clamp(low, high), latents))
    return best


def _closest(trained: Generating, samples: Tensor, candidates: Tensor) -> Tensor:
    """Return, for each sample, the candidate (m, width) with the closest sample, (n, width)."""
    made = trained.generate(candidates).flatten(1)
    return candidates[torch.cdist(samples.flatten(1), made, p=1).argmin(1)]


def _distances(samples: Tensor, others: Tensor) -> Tensor:
    """Return the mean absolute difference of each pair of samples, (n, ...) to (n,)."""
    return (samples - others).flatten(1).abs().mean(1)


def _limits(prior: tuple[PriorPart, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the lowest and the highest value of each column of latents, and whether it may change."""
    limits: list[tuple[float, float, float]] = []
    for part in prior:
        ends = (part.low, part.high) if part.distribution == "uniform" else (-math.inf, math.inf)
        limits += [(*ends, float(part.distribution != "one-hot"))] * part.width
    low, high, free = torch.tensor(limits).unbind(1)
    return low, high, free.bool()
