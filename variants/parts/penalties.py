"""Penalties of the discriminator's gradient: around 1 between or around the data, or zero at the samples."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from variants.knobs import LARGEST, Knobs, Search, knob
from variants.noise import Noise

# maps samples, and their companions if there are any, to scores
Score = Callable[[Tensor, Tensor | None], Tensor]


class GradientPenalty(Knobs):
    """Weight (|grad d(v)| - 1)^2, at points between the data and the fakes, or around the data."""

    penalty_weight: float = knob(
        0.0, "weight of the gradient penalty", low=0, high=LARGEST, search=Search(1.0, 30.0, "log")
    )
    penalty_at: Literal["between", "around"] = knob(
        "between",
        "points of the gradient penalty: between real and fake samples (WGAN-GP) or near real ones (DRAGAN)",
        neutral=("between",),
    )
    penalty_radius: float = knob(
        0.25,
        "deviation of the points near real samples, where the penalty is around them",
        above=0,
        high=10,
        neutral=(0.25,),
    )


class SamplePenalties(Knobs):
    """R1 and R2: gamma / 2 |grad d(v)|^2 at real and at fake samples."""

    r1_gamma: float = knob(
        0.0,
        "gamma of R1, the squared gradient of D at real samples",
        low=0,
        high=LARGEST,
        search=Search(0.01, 20.0, "log"),
        neutral=(0.0,),
    )
    r2_gamma: float = knob(
        0.0,
        "gamma of R2, the squared gradient of D at fake samples",
        low=0,
        high=LARGEST,
        search=Search(0.01, 20.0, "log"),
        neutral=(0.0,),
    )


def points_between(real: Tensor, fake: Tensor, noise: Noise) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function that mixes two tensors (B, ...) by one weight of U[0, 1) per sample."""
    weight = noise.uniform("interpolation", (len(real),) + (1,) * (real.dim() - 1))

    def mix(one: Tensor, other: Tensor) -> Tensor:
        return torch.lerp(one, other, weight.view(-1, *(1,) * (one.dim() - 1)))

    return mix


def gradient_penalty(
    score: Score, points: Tensor, companions: Tensor | None = None, target: float = 1.0
) -> Tensor:
    """Return the mean of (|grad of the score| - target)^2, 0-d, with a graph (Gulrajani 2017, equation 3).

    Parameters
    ----------
    score : callable
        Maps samples (B, ...) and their companions to scores (B,), each of its own sample alone.
    points : Tensor
        Where the gradient is taken, (B, ...).
    companions : Tensor or None
        Companions of the points; the gradient is not taken with respect to them.
    target : float
        Norm that costs nothing.
    """
    points = points.detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(points, companions).sum(), points, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - target).square().mean()


def squared_gradients(scored: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Return the mean of |grad d(v)|^2 of each batch, 0-d, with a graph (Mescheder 2018, equations 9 and 10).

    One pass computes the gradients of all batches.

    Parameters
    ----------
    scored : sequence of (Tensor, Tensor)
        Scores (B,) of a batch, and the samples (B, ...) at which the graph of the scores begins.
    """
    total = torch.stack([scores.sum() for scores, _ in scored]).sum()
    slopes = torch.autograd.grad(total, [samples for _, samples in scored], create_graph=True)
    return [slope.flatten(1).square().sum(dim=1).mean() for slope in slopes]
