"""Samples of a generator at fixed latents: all that the judge sees of a model."""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from bench.training.device import whole_float32
from variants.noise import Noise

CHUNK = 250  # samples a forward pass
EVALUATION = "evaluation latent"  # the stream of latents that a run's evaluations draw from


class Sampler(Protocol):
    """Draws generated samples; owns its randomness."""

    def __call__(self, count: int, places: range | None = None, /) -> Iterator[Tensor]:
        """Yield float32 batches in [-1, 1], images (B, C, H, W) or points (B, D), `count` samples in all.

        Of several processes each asks for the samples at its own `places` only.
        """
        ...


def make_sampler(
    generator: nn.Module,
    draw_latent: Callable[[Noise, int, str], Tensor],
    seed: int,
    device: torch.device,
    purpose: str = EVALUATION,
) -> Sampler:
    """Make the sampler of a generator.

    Parameters
    ----------
    generator : nn.Module
        Maps latents to images (B, C, H, W) in [-1, 1]; it is switched to eval mode while it samples.
    draw_latent : callable
        The variant's prior, ``draw_latent(noise, count, purpose)``.
    seed : int
        Decides the latents; variants of one prior and latent size get the same ones.
    device : torch.device
        Where to draw and compute.
    purpose : str
        Name of the stream of latents.

    Returns
    -------
    Sampler
        Yields the same samples at every call.
    """

    @torch.no_grad()
    def sample(count: int, places: range | None = None) -> Iterator[Tensor]:
        latents = draw_latent(Noise(seed, 0, device), count, purpose)
        if places is not None:
            latents = latents[places.start : places.stop]
        training = generator.training
        generator.eval()
        # a compiled training pass would be compiled again for these sizes
        forward = generator.forward
        try:
            for chunk in latents.split(CHUNK):
                with whole_float32():
                    samples = forward(chunk)
                yield samples
        finally:
            generator.train(training)

    return sample
