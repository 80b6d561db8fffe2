"""Samples of a generator at fixed latents, from which the judge computes metrics."""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from bench.training.device import whole_float32
from variants.noise import Noise

CHUNK = 250  # samples per forward pass
EVALUATION = "evaluation latent"  # stream of latents for the evaluations of a run


class Sampler(Protocol):
    """Yields generated samples from its own random stream."""

    def __call__(self, count: int, indices: range | None = None, /) -> Iterator[Tensor]:
        """Yield float32 batches in [-1, 1], images (B, C, H, W) or points (B, D), `count` samples in all.

        With `indices`, yield only the samples with these indices, such as those of one rank.
        """
        ...


def make_sampler(
    generator: nn.Module,
    draw_latent: Callable[[Noise, int, str], Tensor],
    seed: int,
    device: torch.device,
    purpose: str = EVALUATION,
) -> Sampler:
    """Return the sampler of a generator.

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

    Returns
    -------
    Sampler
        Yields the same samples at every call.
    """

    @torch.no_grad()
    def sample(count: int, indices: range | None = None) -> Iterator[Tensor]:
        latents = draw_latent(Noise(seed, 0, device), count, purpose)
        if indices is not None:
            latents = latents[indices.start : indices.stop]
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

    return sample
