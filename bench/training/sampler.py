"""Samples of a generator at fixed latents, from which the judge computes metrics."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bench.runs.class_rows import COLUMNS, classes_shown
from bench.system.errors import WorkError
from bench.training.device import whole_float32
from variants.base import Variant
from variants.noise import Noise

CHUNK = 250  # samples per forward pass
EVALUATION = "evaluation latent"  # stream of latents for the evaluations of a run


class NonFiniteSamples(WorkError):
    """Generated samples hold NaN or infinite values."""


class Sampler(Protocol):
    """Yields generated samples from its own random stream."""

    def __call__(self, count: int, indices: range | None = None, /) -> Iterator[Tensor]:
        """Yield float32 batches in [-1, 1], images (B, C, H, W) or points (B, D), `count` samples in all.

        With `indices`, yield only the samples with these indices, such as those of one rank.
        """
        ...


@runtime_checkable
class LabelledSampler(Protocol):
    """A sampler that also tells which class each of its samples was asked for."""

    def __call__(self, count: int, indices: range | None = None, /) -> Iterator[Tensor]:
        """Yield samples as :class:`Sampler` does."""
        ...

    def labels(self, count: int, indices: range | None = None, /) -> Tensor:
        """Return the classes of the samples that a call with these arguments yields, int64 on the CPU."""
        ...


@dataclass(frozen=True)
class GeneratorSampler:
    """The sampler of a generator; the parameters are those of :func:`make_sampler`."""

    generator: nn.Module
    draw_latent: Callable[[Noise, int, str], Tensor]
    seed: int
    device: torch.device
    purpose: str

    @torch.no_grad()
    def __call__(self, count: int, indices: range | None = None) -> Iterator[Tensor]:
        """Yield samples as :class:`Sampler` does."""
        generator = self.generator
        latents = self.latents(count, indices)
        training = generator.training
        generator.eval()
        # not the compiled module, which would be compiled again for this batch size
        forward = generator.forward
        try:
            for chunk in latents.split(CHUNK):
                with whole_float32():
                    samples = forward(chunk)
                yield samples
        finally:
            generator.train(training)

    def latents(self, count: int, indices: range | None = None) -> Tensor:
        """Return the latents of the samples that a call with these arguments yields."""
        latents = self.draw_latent(Noise(self.seed, 0, self.device), count, self.purpose)
        return latents if indices is None else latents[indices.start : indices.stop]


@dataclass(frozen=True)
class ConditionalSampler(GeneratorSampler):
    """The sampler of a conditional generator, whose latents end with the class as one-hot vector."""

    classes: int

    def labels(self, count: int, indices: range | None = None) -> Tensor:
        """Return the classes that the latents ask for, int64 on the CPU."""
        return self.latents(count, indices)[:, -self.classes :].argmax(dim=1).cpu()


def make_sampler(
    generator: nn.Module,
    draw_latent: Callable[[Noise, int, str], Tensor],
    seed: int,
    device: torch.device,
    purpose: str = EVALUATION,
    classes: int = 0,
) -> Sampler:
    """Return the sampler of a generator, a :class:`LabelledSampler` if there are classes.

    Parameters
    ----------
    generator : nn.Module
        Maps latents to images (B, C, H, W) in [-1, 1]; it is in eval mode while it samples.
    draw_latent : callable
        The variant's prior, ``draw_latent(noise, count, purpose)``.
    seed : int
        Seed of the latents; variants with the same prior and latent size get the same latents.
    device : torch.device
        Device to draw and compute on.
    purpose : str
        Name of the stream of latents.
    classes : int
        Number of classes of a conditional variant; 0 for others.

    Returns
    -------
    Sampler
        Yields the same samples at every call.
    """
    if classes:
        return ConditionalSampler(generator, draw_latent, seed, device, purpose, classes)
    return GeneratorSampler(generator, draw_latent, seed, device, purpose)


def picture_latents(
    variant: Variant, images: int, points: int
) -> tuple[Callable[[Noise, int, str], Tensor], int]:
    """Return the prior and the number of the latents of a picture of samples.

    Images of a conditional variant are in rows of ten, a row for each class, with the same z in every row.

    Parameters
    ----------
    variant : Variant
        The variant.
    images, points : int
        Numbers of unconditional images and of points.
    """
    if len(variant.sample_shape) == 1:
        return variant.draw_latent, points
    if not variant.conditional:
        return variant.draw_latent, images

    def draw(noise: Noise, count: int, purpose: str) -> Tensor:
        shown = torch.tensor(classes_shown(variant.classes), device=noise.device)
        latents = variant.draw_latent(noise, COLUMNS, purpose).repeat(len(shown), 1)
        return variant.with_class(latents, shown.repeat_interleave(COLUMNS))

    return draw, COLUMNS * len(classes_shown(variant.classes))
