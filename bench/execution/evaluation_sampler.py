"""The sampler of a trained generator with the bits of a run's evaluations."""

import torch

from bench.configuration import Harness
from bench.runs.generator import TrainedGenerator
from bench.training.sampler import EVALUATION, Sampler, make_sampler


def evaluation_sampler(
    trained: TrainedGenerator, harness: Harness, device: torch.device, seed: int, draw: int = 0
) -> Sampler:
    """Return the sampler of a checkpoint as evaluations of the run have it.

    Parameters
    ----------
    trained : TrainedGenerator
        The generator, which is moved to the device.
    harness : Harness
        The run's knobs.
    device : torch.device
        Where to compute.
    seed : int
        Seed of the latents; evaluations have the run's.
    draw : int
        Number of the draw of latents; that of the run's evaluations is 0.
    """
    generator = trained.generator.to(device)
    if harness.channels_last:
        # as in training: convolutions of another memory format round otherwise
        generator = generator.to(memory_format=torch.channels_last)
    purpose = EVALUATION if draw == 0 else f"{EVALUATION} {draw}"
    return make_sampler(
        generator, trained.variant.draw_latent, seed, device, purpose, len(trained.class_names)
    )
