"""Penalties of the gradient against closed forms, and where they are taken."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from variants.noise import Noise
from variants.parts.penalties import gradient_penalty, points_between, squared_gradients

CPU = torch.device("cpu")


def quadratic(samples: Tensor, companions: Tensor | None = None) -> Tensor:
    """d(v) = |v|^2, whose gradient is 2 v."""
    return samples.flatten(1).square().sum(1)


def test_the_penalty_of_a_quadratic_score_has_a_closed_form() -> None:
    points = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    norms = 2 * points.flatten(1).norm(dim=1)
    assert gradient_penalty(quadratic, points).item() == pytest.approx(((norms - 1) ** 2).mean().item())
    assert gradient_penalty(quadratic, points, target=0).item() == pytest.approx((norms**2).mean().item())


def test_the_gradient_of_a_penalty_reaches_the_parameters() -> None:
    """Of d(v) = a |v|^2 the penalty is (2 a |v| - 1)^2, with the derivative 4 |v| (2 a |v| - 1)."""
    factor = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    points = torch.randn(4, 3, dtype=torch.float64)
    penalty = gradient_penalty(lambda samples, _: factor * quadratic(samples), points)
    (found,) = torch.autograd.grad(penalty, factor)
    norm = points.norm(dim=1)
    assert found.item() == pytest.approx((4 * norm * (2 * 0.7 * norm - 1)).mean().item())


def test_companions_are_given_to_the_score_and_not_differentiated() -> None:
    points, companions = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 1, dtype=torch.float64)
    penalty = gradient_penalty(lambda v, c: (v * c).sum(1), points, companions)
    expected = ((3**0.5 * companions.abs() - 1) ** 2).mean()
    assert penalty.item() == pytest.approx(expected.item())


def test_points_between_lie_on_the_line_of_a_pair_with_one_weight_for_all_its_tensors() -> None:
    real, fake = torch.zeros(200, 3, 2, 2), torch.ones(200, 3, 2, 2)
    mix = points_between(real, fake, Noise(0, 1, CPU))
    points, companions = mix(real, fake), mix(torch.zeros(200, 4), torch.ones(200, 4))
    weight = points[:, 0, 0, 0]
    assert torch.equal(points, weight[:, None, None, None].expand_as(points))
    assert torch.equal(companions, weight[:, None].expand(200, 4))
    assert weight.min() >= 0
    assert weight.max() < 1
    assert weight.mean().item() == pytest.approx(0.5, abs=0.06)


def test_squared_gradients_of_two_batches_are_those_of_each() -> None:
    real = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    fake = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    both = squared_gradients([(quadratic(real), real), (quadratic(fake), fake)])
    for found, samples in zip(both, (real, fake), strict=True):
        assert found.item() == pytest.approx((4 * samples.square().sum(1)).mean().item())
        assert found.requires_grad
