"""The discriminator's codes: what it encodes to, decodes from, and that both make its reconstruction."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from variants.boundary_equilibrium import BoundaryEquilibrium
from variants.registry import all_variants

VARIANTS = sorted(all_variants())
FAMILY = [name for name, kind in all_variants().items() if issubclass(kind, BoundaryEquilibrium)]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_reconstruction_is_the_decoded_code(
    build: Callable[..., Any], images: Callable[..., Tensor], name: str
) -> None:
    variant = build(name, size=32, shaken=True).eval()
    pictures = images(3, 32)
    with torch.no_grad():
        code, reconstructed = variant.encode(pictures), variant.reconstruct(pictures)
        if name not in FAMILY:
            assert code is None
            assert reconstructed is None
            assert variant.decode(torch.zeros(3, 6)) is None
            return
        assert code.dtype == torch.float32
        assert code.dim() == 2
        assert len(code) == 3
        assert torch.equal(variant.decode(code), reconstructed)
        assert torch.equal(variant.discriminator(pictures), reconstructed)


@pytest.mark.parametrize("name", FAMILY)
def test_images_of_their_own_have_codes_of_their_own(
    build: Callable[..., Any], images: Callable[..., Tensor], name: str
) -> None:
    variant = build(name, size=32, shaken=True).eval()
    pictures = images(4, 32)
    with torch.no_grad():
        together = variant.encode(pictures)
        apart = torch.cat([variant.encode(picture[None]) for picture in pictures])
    torch.testing.assert_close(together, apart)
    assert (together[0] - together[1]).abs().max() > 0


def test_the_code_of_a_variational_encoder_is_its_mean(
    build: Callable[..., Any], images: Callable[..., Tensor]
) -> None:
    variant = build("began-v3", shaken=True).eval()
    with torch.no_grad():
        network = variant.discriminator
        assert torch.equal(variant.encode(images()), network.mean(network.trunk(images())))
