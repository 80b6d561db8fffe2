"""Layers of the published networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from variants.modules.networks import DCGAN_SIDE, halvings
from variants.noise import Noise
from variants.registry import all_variants


def test_bounded_generators_stay_within_the_range_of_images(build: Callable[..., Any]) -> None:
    of_points = [name for name, kind in all_variants().items() if "points" in kind.sample_kinds]
    points = [(name, {"layers": "points"}) for name in of_points]
    for name, layers in (("began-resnet18", {}), ("wgan-gp", {}), ("began", {"layers": "strided"}), *points):
        variant = build(name, shaken=True, **layers)
        with torch.no_grad():
            width = variant.draw_latent(Noise(0, 1, torch.device("cpu")), 1).shape[1]
            assert variant.generator(100 * torch.randn(8, width)).abs().max() <= 1.0


# a decoder starts at 5 to 15 pixels and doubles them; DCGAN's at 4
REACHED = sorted(
    {start << doublings for start in range(5, 16) for doublings in range(1, 9)} & {*range(16, 1025)}
)


def test_sizes_are_those_that_doublings_reach() -> None:
    for size in REACHED:
        ends = size / 2 ** halvings(size), size / 2 ** halvings(size, DCGAN_SIDE)
        assert ends[0] in range(5, 16)
        assert ends[1] == (4 if ends[0] == 8 else ends[0])


@pytest.mark.parametrize("size", [each for each in (*range(1, 130), 1023, 1025, 1300) if each not in REACHED])
def test_other_sizes_are_refused_with_the_nearest_ones(size: int) -> None:
    nearest = [each for each in REACHED if each < size][-1:] + [each for each in REACHED if each > size][:1]
    words = f"{'is' if len(nearest) == 1 else 'are'} {' and '.join(map(str, nearest))}"
    with pytest.raises(ValueError, match=rf"^image_size {size} is not possible, nearest {words} \("):
        halvings(size)


@pytest.mark.parametrize(
    ("size", "count", "of_dcgan"), [(28, 2, 2), (32, 2, 3), (64, 3, 4), (128, 4, 5), (256, 5, 6)]
)
def test_the_published_sizes_are_halved_to_8_or_7_and_by_dcgan_to_4_or_7(
    size: int, count: int, of_dcgan: int
) -> None:
    assert (halvings(size), halvings(size, DCGAN_SIDE)) == (count, of_dcgan)


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
