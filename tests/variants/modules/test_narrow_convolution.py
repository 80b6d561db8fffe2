"""The narrow doubling convolution against torch's own transposed convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import conv_transpose2d

from variants.modules.narrow_convolution import NarrowDoubling, doubling_convolution

SHAPES = [(2, 5, 1, 7), (3, 4, 3, 4), (1, 2, 2, 1)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("batch", "inputs", "outputs", "side"), SHAPES)
def test_it_equals_the_transposed_convolution_of_torch_with_its_gradients(
    batch: int, inputs: int, outputs: int, side: int, layout: torch.memory_format
) -> None:
    layer = NarrowDoubling(inputs, outputs, 4, stride=2, padding=1).double()
    layer.to(memory_format=layout)
    maps = torch.randn(batch, inputs, side, side, dtype=torch.float64).to(memory_format=layout)
    upstream = torch.randn(batch, outputs, 2 * side, 2 * side, dtype=torch.float64)
    maps.requires_grad_()
    ours = layer(maps)
    theirs = conv_transpose2d(maps, layer.weight, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    wanted = [maps, layer.weight, layer.bias]
    for one, other in zip(
        torch.autograd.grad(ours, wanted, upstream),
        torch.autograd.grad(theirs, wanted, upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_only_what_is_asked_for_has_a_gradient() -> None:
    layer = NarrowDoubling(3, 1, 4, stride=2, padding=1)
    layer.weight.requires_grad_(False)
    layer(torch.randn(2, 3, 4, 4)).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None


@pytest.mark.parametrize(
    ("outputs", "kind"), [(1, NarrowDoubling), (3, NarrowDoubling), (4, nn.ConvTranspose2d)]
)
def test_it_is_used_for_few_output_channels_only(outputs: int, kind: type[nn.Module]) -> None:
    assert type(doubling_convolution(8, outputs)) is kind


def test_it_is_exported_as_the_transposed_convolution_of_torch() -> None:
    layer = NarrowDoubling(3, 1, 4, stride=2, padding=1).eval()
    exported = torch.export.export(layer, (torch.randn(2, 3, 4, 4),))
    assert any("conv_transpose2d" in str(node.target) for node in exported.graph.nodes)
