"""Equalised learning rates: weights of variance 1, outputs of He's variance."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, linear

from variants.modules.equalised import EqualisedConvolution, EqualisedLinear


def test_weights_are_scaled_by_the_gain_over_the_root_of_the_inputs() -> None:
    torch.manual_seed(0)
    convolution, layer = EqualisedConvolution(5, 7, 3), EqualisedLinear(11, 4, gain=1.0)
    for each in (convolution, layer):
        nn.init.normal_(each.weight)
    maps, features = torch.randn(2, 5, 6, 6), torch.randn(2, 11)
    expected = conv2d(maps, convolution.weight * math.sqrt(2 / (5 * 9)), convolution.bias, padding=1)
    torch.testing.assert_close(convolution(maps), expected)
    torch.testing.assert_close(layer(features), linear(features, layer.weight / math.sqrt(11), layer.bias))


@pytest.mark.parametrize("width", [8, 512])
def test_rectified_layers_of_every_width_keep_the_mean_square(width: int) -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(width, 4096)
    nn.init.normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    features = torch.randn(256, width)
    assert layer(features).relu().square().mean().item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("width", [8, 512])
def test_adam_changes_layers_of_every_width_by_the_same_share(width: int) -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(width, 64)
    nn.init.normal_(layer.weight)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    layer(torch.randn(32, width)).square().mean().backward()
    optimizer.step()
    change = (layer.weight - before).norm() / before.norm()
    assert change.item() == pytest.approx(0.01, rel=0.1)
