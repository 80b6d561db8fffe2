"""Initial weights of layers, parametrized ones among them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from variants.modules.initialisation import initialise

LAYERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Conv2d(2, 3, 3),
    lambda: nn.ConvTranspose2d(2, 3, 3),
    lambda: nn.Linear(4, 3),
]


def filled(layer: nn.Module) -> nn.Module:
    """Fill the weights with normal numbers of deviation 0.02, from a fixed seed."""
    torch.manual_seed(5)
    initialise(layer, lambda weight: nn.init.normal_(weight, std=0.02))
    return layer


@pytest.mark.parametrize("make", LAYERS)
def test_weights_are_filled_and_biases_are_zero(make: Callable[[], nn.Module]) -> None:
    layer = filled(make())
    torch.manual_seed(5)
    assert torch.equal(layer.weight, torch.empty_like(layer.weight).normal_(std=0.02))
    assert torch.equal(layer.bias, torch.zeros_like(layer.bias))


@pytest.mark.parametrize("make", LAYERS)
def test_the_weight_behind_a_spectral_norm_is_filled(make: Callable[[], nn.Module]) -> None:
    plain, normed = filled(make()), filled(spectral_norm(make()))
    behind = normed.parametrizations.weight.original
    assert behind.requires_grad
    assert torch.equal(behind, plain.weight)
    assert torch.equal(normed.bias, torch.zeros_like(normed.bias))
    # the weight in use has its direction, and a spectral norm of 1 once the power iteration has converged
    for _ in range(200):
        in_use = normed.weight
    ratio = in_use / behind
    torch.testing.assert_close(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-4, atol=0.0)
    # torch takes the dimension of the outputs as rows
    rows = in_use.transpose(0, 1) if isinstance(normed, nn.ConvTranspose2d) else in_use
    largest = torch.linalg.matrix_norm(rows.detach().flatten(1), ord=2)
    assert largest.item() == pytest.approx(1.0, rel=1e-3)


def test_a_weight_of_several_parametrized_parameters_is_filled() -> None:
    plain, normed = filled(nn.Linear(4, 3)), filled(weight_norm(nn.Linear(4, 3)))
    torch.testing.assert_close(normed.weight, plain.weight)


def test_layers_without_bias_are_filled_too() -> None:
    layer = filled(nn.Linear(4, 3, bias=False))
    assert layer.weight.abs().max() < 0.2
