"""Documented values of Inception's distances, computed again with the weights of this machine.

The values stood in the documentation of torchmetrics as examples that anyone can run: distances
between two sets of 100 random images, drawn by torch from seed 123. The features are torch-fidelity's
network's, as for a run; the distances are computed by this project's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np
import torch
from torch import Tensor, nn

from bench.judging.extractors import inception_weights
from bench.judging.extractors.weights import sha256_of_file
from bench.judging.metrics.frechet import frechet_distance
from bench.judging.metrics.kernel_distance import unbiased_kernel_distance
from bench.judging.moments import Moments
from bench.system.errors import WorkError
from bench.training.device import whole_float32

SEED = 123
IMAGES, SIDE = 100, 299  # of each set
_SUBSETS, _IN_SUBSET = 100, 50
_BATCH = 20
# documented values have four decimals; kernels of processors differ in the last of them
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Anchor:
    """A documented value and the value here.

    Attributes
    ----------
    what : str
        What is measured.
    documented, value : float
        The documented value, and the value with this machine's weights.
    """

    what: str
    documented: float
    value: float

    @property
    def holds(self) -> bool:
        """Whether the two agree within :data:`TOLERANCE`."""
        return abs(self.value - self.documented) <= TOLERANCE


def recompute(cache: Path, announce: Callable[[str], None]) -> list[Anchor]:
    """Return the anchors with the weights that a run would use; nothing is downloaded.

    Parameters
    ----------
    cache : Path
        The bench's cache folder.
    announce : callable
        Gets a line before the images pass the network.

    Raises
    ------
    WorkError
        If there are no weights, or a file is not the one that its place promises.
    """
    path = inception_weights.find(cache)
    if path is None:
        raise WorkError(f"no Inception weights: {inception_weights.ADVICE} {cache / 'weights'}")
    if wrong := inception_weights.reason_to_refuse(path, sha256_of_file(path)):
        raise WorkError(f"{path} {wrong}")
    weights = inception_weights.read(path)
    announce(f"{2 * IMAGES} images pass Inception, in about a minute on a CPU")
    # the draws of the examples follow the seed: those of the network's first weights, images, subsets
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = weights.network(["64", "2048"])
        shape = (IMAGES, 3, SIDE, SIDE)
        first = torch.randint(0, 200, shape, dtype=torch.uint8)
        second = torch.randint(100, 255, shape, dtype=torch.uint8)
        small, whole = zip(*(_features(network, images) for images in (first, second)), strict=True)
        distances = _of_subsets(*whole)
    return [
        Anchor("Fréchet distance of 64 features", 12.7202, _frechet(*small)),
        Anchor("kernel distance, mean", 0.0337, fmean(distances)),
        Anchor("kernel distance, standard deviation", 0.0023, pstdev(distances)),
    ]


def _features(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Return the features of each name that the network returns, float32 (N, width)."""
    with torch.inference_mode(), whole_float32():
        batches = [network(batch) for batch in images.split(_BATCH)]
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


def _frechet(first: Tensor, second: Tensor) -> float:
    moments = [Moments(first.shape[1], name) for name in ("first", "second")]
    for each, features in zip(moments, (first, second), strict=True):
        each.update(features)
    return frechet_distance(*moments)


def _of_subsets(first: Tensor, second: Tensor) -> list[float]:
    """Return the kernel distances between random subsets of both sides."""
    distances = []
    for _ in range(_SUBSETS):
        real, generated = (
            side[torch.randperm(len(side))[:_IN_SUBSET]].numpy().astype(np.float64)
            for side in (first, second)
        )
        distances.append(unbiased_kernel_distance(generated, real))
    return distances
