"""Layers of the published networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from variants.registry import all_variants


def test_bounded_generators_stay_within_the_range_of_images(build: Callable[..., Any]) -> None:
    points = [(name, {"layers": "points"}) for name in all_variants()]
    for name, layers in (("began-resnet18", {}), ("wgan-gp", {}), ("began", {"layers": "strided"}), *points):
        variant = build(name, shaken=True, **layers)
        with torch.no_grad():
            assert variant.generator(100 * torch.randn(8, 6)).abs().max() <= 1.0


def convolutions(module: nn.Module, filters: int) -> list[tuple[int, int, int]]:
    """(width in units of `filters`, kernel, stride) of each convolution, in order."""
    return [
        (layer.out_channels // filters, layer.kernel_size[0], layer.stride[0])
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d)
    ]


def test_began_has_the_layers_of_carpedm20_at_64_pixels(build: Callable[..., Any]) -> None:
    variant = build("began", size=64)
    encoder = [(1, 3, 1)]
    for width in (1, 2, 3):
        encoder += [(width, 3, 1), (width, 3, 1), (width, 3, 2)]
    encoder += [(4, 3, 1), (4, 3, 1)]
    assert convolutions(variant.discriminator.trunk, 4) == encoder
    for decoder in (variant.generator, variant.discriminator.decoder):
        assert convolutions(decoder, 4) == [(1, 3, 1)] * 8 + [(0, 3, 1)]
        assert sum(isinstance(layer, nn.Upsample) for layer in decoder.modules()) == 3


@pytest.mark.parametrize("name", ["began-cs", "began-v3"])
def test_began_cs_and_v3_have_the_layers_of_chang_at_64_pixels(build: Callable[..., Any], name: str) -> None:
    variant = build(name, size=64)
    encoder = [(1, 3, 1)]
    for width in (1, 2, 3):
        encoder += [(width, 3, 1), (width + 1, 3, 1), (width + 1, 3, 2)]
    encoder += [(4, 3, 1), (4, 3, 1)]
    assert convolutions(variant.discriminator.trunk, 4) == encoder
    block = [(1, 3, 1), (1, 3, 1)]
    for decoder in (variant.generator, variant.discriminator.decoder):
        assert convolutions(decoder, 4) == [*block, (2, 1, 1)] * 3 + [*block, (0, 3, 1)]
        assert sum(isinstance(layer, nn.Upsample) for layer in decoder.modules()) == 3


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("began", "ELU(alpha=1.0, inplace=True)"),
        ("began-cs", "ELU(alpha=1.0, inplace=True)"),
        ("began-v3", "LeakyReLU(negative_slope=0.2, inplace=True)"),
    ],
)
def test_the_activation_is_the_published_one_and_the_output_is_linear(
    build: Callable[..., Any], name: str, activation: str
) -> None:
    variant = build(name, size=64)
    weighted = (nn.Conv2d, nn.ConvTranspose2d)
    for part in (variant.discriminator.trunk.layers, variant.generator.layers):
        assert {str(m) for m in part if not isinstance(m, (*weighted, nn.Upsample))} == {activation}
    for decoder in (variant.generator, variant.discriminator.decoder):
        assert isinstance(decoder.layers[-1], nn.Conv2d)
        assert all(layer.mode == "nearest" for layer in decoder.modules() if isinstance(layer, nn.Upsample))
