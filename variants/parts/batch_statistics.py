"""Features of a whole batch that let the discriminator see a lack of diversity.

Minibatch discrimination (Salimans et al. 2016, section 3.2) and minibatch standard deviation (Karras et al.
2018, section 3). Both append to the features of each sample.
"""

import torch
from torch import Tensor, nn

from variants.knobs import Knobs, knob


class BatchDeviation(Knobs):
    """Whether D sees the standard deviation of its features over the batch."""

    minibatch_deviation: bool = knob(
        False,
        "minibatch standard deviation: a feature with the mean deviation of all features in the batch",
        neutral=(False,),
    )


class BatchStatistics(BatchDeviation):
    """Statistics that D's last layer sees beside the features of a sample."""

    minibatch_kernels: int = knob(
        0,
        "kernels of minibatch discrimination: features of the distances to the other samples; 0 for none",
        low=0,
        high=10_000,
        neutral=(0,),
    )
    minibatch_dimensions: int = knob(
        5, "dimensions of each kernel of minibatch discrimination", low=1, high=1000, neutral=(5,)
    )


class MinibatchDiscrimination(nn.Module):
    """Appends closeness to the other samples: o_b(i) = sum over j of exp(-|f(i) T_b - f(j) T_b|_1).

    Parameters
    ----------
    features : int
        Width of the features.
    kernels, dimensions : int
        B and C of the paper: T is a tensor of features x B x C.
    """

    def __init__(self, features: int, kernels: int, dimensions: int) -> None:
        super().__init__()
        self.appended = kernels
        # projections of unit variance for features of unit variance
        self.kernel = nn.Parameter(torch.randn(features, kernels, dimensions) * features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, features) to (B, features + kernels)."""
        projected = (features @ self.kernel.flatten(1)).unflatten(1, self.kernel.shape[1:])
        distances = (projected[:, None] - projected[None]).abs().sum(dim=3)
        return torch.cat((features, torch.exp(-distances).sum(dim=1)), dim=1)


class MinibatchDeviation(nn.Module):
    """Appends one feature, or one map, with the standard deviation over the batch, averaged over features."""

    appended = 1

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, width) or maps (B, C, H, W) to (B, width + 1) or (B, C + 1, H, W)."""
        # the addend keeps the gradient finite where all samples are equal; Karras' program has it too
        deviation = (features.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat((features, deviation.expand(len(features), 1, *features.shape[2:])), dim=1)


def batch_statistics(knobs: Knobs, features: int) -> tuple[nn.Module | None, int]:
    """Build the statistics that hyperparameters ask for, on flat features.

    Returns
    -------
    nn.Module or None
        Maps features (B, features) to features with statistics appended; None for no statistics.
    int
        Number of statistics that are appended.
    """
    layers: list[MinibatchDeviation | MinibatchDiscrimination] = []
    if isinstance(knobs, BatchStatistics) and knobs.minibatch_kernels:
        layers.append(MinibatchDiscrimination(features, knobs.minibatch_kernels, knobs.minibatch_dimensions))
    if isinstance(knobs, BatchDeviation) and knobs.minibatch_deviation:
        layers.append(MinibatchDeviation())
    return (nn.Sequential(*layers) if layers else None), sum(layer.appended for layer in layers)
