"""The discriminator's codes: what it encodes to, decodes from, and that both make its reconstruction."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.registry import all_variants

FAMILY = [name for name, kind in all_variants().items() if issubclass(kind, BoundaryEquilibrium)]
KINDS_OF_SAMPLES: list[dict[str, str]] = [{}, {"layers": "points"}]
of_images_and_points = pytest.mark.parametrize("layers", KINDS_OF_SAMPLES, ids=["images", "points"])


@of_images_and_points
@pytest.mark.parametrize("name", all_variants())
def test_a_reconstruction_is_the_decoded_code(
    build: Callable[..., Any], samples: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    variant = build(name, size=32, shaken=True, **layers).eval()
    real = samples(variant)
    with torch.no_grad():
        code, reconstructed = variant.encode(real), variant.reconstruct(real)
        if name not in FAMILY:
            assert code is None
            assert reconstructed is None
            assert variant.decode(torch.zeros(3, 6)) is None
            return
        assert code.dtype == torch.float32
        assert code.dim() == 2
        assert len(code) == 3
        assert torch.equal(variant.decode(code), reconstructed)
        assert torch.equal(variant.discriminator(real), reconstructed)


@of_images_and_points
@pytest.mark.parametrize("name", FAMILY)
def test_samples_of_their_own_have_codes_of_their_own(
    build: Callable[..., Any], samples: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    variant = build(name, size=32, shaken=True, **layers).eval()
    real = samples(variant, 4)
    with torch.no_grad():
        together = variant.encode(real)
        apart = torch.cat([variant.encode(sample[None]) for sample in real])
    torch.testing.assert_close(together, apart)
    assert (together[0] - together[1]).abs().max() > 0


def test_the_code_of_a_variational_encoder_is_its_mean(
    build: Callable[..., Any], images: Callable[..., Tensor]
) -> None:
    variant = build("began-v3", shaken=True).eval()
    with torch.no_grad():
        network = variant.discriminator
        assert torch.equal(variant.encode(images()), network.mean(network.trunk(images())))
