"""Self-attention against equations 1 to 3 of SAGAN's paper, position by position."""

import math

import pytest
import torch

from variants.modules.networks import leaky_relu, strided_trunk, transposed_decoder
from variants.modules.self_attention import SelfAttention, attended_side


def test_each_position_gets_the_mixture_of_the_paper() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16).double().requires_grad_(False)
    attention.gamma.fill_(0.7)
    maps = torch.randn(2, 16, 3, 3, dtype=torch.float64)
    found = attention(maps).flatten(2)

    def applied(layer: torch.nn.Conv2d, vector: torch.Tensor) -> torch.Tensor:
        assert layer.bias is not None
        return layer.weight[:, :, 0, 0] @ vector + layer.bias

    for sample, columns in enumerate(maps.flatten(2)):
        for j in range(9):
            scores = [
                float(applied(attention.f, columns[:, i]) @ applied(attention.g, columns[:, j]))
                for i in range(9)
            ]
            shares = [math.exp(score) / sum(map(math.exp, scores)) for score in scores]
            mixed = sum(share * applied(attention.h, columns[:, i]) for i, share in enumerate(shares))
            expected = columns[:, j] + 0.7 * applied(attention.v, mixed)  # type: ignore[arg-type]
            torch.testing.assert_close(found[sample, :, j], expected)


def test_maps_pass_unchanged_at_first_and_gamma_learns() -> None:
    torch.manual_seed(0)
    attention, maps = SelfAttention(8), torch.randn(2, 8, 4, 4)
    made = attention(maps)
    assert torch.equal(made, maps)
    made.square().sum().backward()
    assert attention.gamma.grad is not None
    assert attention.gamma.grad.abs() > 0


def test_queries_and_keys_have_an_eighth_of_the_channels_and_values_half() -> None:
    attention = SelfAttention(64)
    shapes = [tuple(layer.weight.shape[:2]) for layer in (attention.f, attention.g, attention.h, attention.v)]
    assert shapes == [(8, 64), (8, 64), (32, 64), (64, 32)]
    assert SelfAttention(4)(torch.randn(1, 4, 2, 2)).shape == (1, 4, 2, 2)


@pytest.mark.parametrize(("size", "side"), [(28, 14), (32, 16), (64, 32), (128, 32), (96, 24), (36, 18)])
def test_the_attended_maps_are_the_largest_up_to_32_pixels(size: int, side: int) -> None:
    assert attended_side(size) == side
    sides: list[int] = []
    decoder = transposed_decoder(1, size, 4, 6, attention_at=side)
    trunk = strided_trunk(1, size, 4, leaky_relu, normalise=False, attention_at=side)
    for network, inputs in ((decoder, torch.randn(1, 6)), (trunk, torch.randn(1, 1, size, size))):
        (attention,) = (layer for layer in network.modules() if isinstance(layer, SelfAttention))
        attention.register_forward_hook(lambda layer, given, made: sides.append(made.shape[2]))
        network(inputs)
    assert sides == [side, side]
    for network in (transposed_decoder(1, size, 4, 6), strided_trunk(1, size, 4, leaky_relu, False)):
        assert not any(isinstance(layer, SelfAttention) for layer in network.modules())
