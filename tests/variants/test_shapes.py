"""What goes in and comes out of every variant's networks, at every size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from variants.base import Batch
from variants.noise import Noise
from variants.registry import all_variants


def arrangements() -> list[tuple[str, dict[str, str]]]:
    """Every variant with every value of its knob `layers`."""
    found: list[tuple[str, dict[str, str]]] = []
    for name, kind in all_variants().items():
        field = kind.Hyperparameters.model_fields.get("layers")
        values = get_args(field.annotation) if field else ()
        found += [(name, {"layers": value}) for value in values] or [(name, {})]
    return found


ARRANGEMENTS = [pytest.param(*a, id="-".join([a[0], *a[1].values()])) for a in arrangements()]
SIZES = [28, 32, 64, 128]


def test_every_layers_knob_is_among_the_arrangements() -> None:
    assert ("began", {"layers": "strided"}) in arrangements()
    assert ("began-v3", {"layers": "table3"}) in arrangements()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "layers"), ARRANGEMENTS)
def test_samples_and_reconstructions_have_the_shape_of_the_images(
    build: Callable[..., Any],
    images: Callable[..., Tensor],
    name: str,
    layers: dict[str, str],
    size: int,
    channels: int,
) -> None:
    variant = build(name, size=size, channels=channels, **layers)
    with torch.no_grad():
        sampled = variant.generator(variant.draw_latent(Noise(0, 1, torch.device("cpu")), 2))
        reconstructed = variant.reconstruct(images(2, size, channels))
    assert sampled.shape == (2, channels, size, size)
    assert sampled.dtype == torch.float32
    assert sampled.isfinite().all()
    if name == "wgan-gp":
        assert reconstructed is None
    else:
        assert reconstructed.shape == (2, channels, size, size)
        assert reconstructed.dtype == torch.float32
        assert reconstructed.isfinite().all()


@pytest.mark.parametrize("size", [8, 27, 48, 96])
@pytest.mark.parametrize(("name", "layers"), ARRANGEMENTS)
def test_a_size_that_cannot_be_built_is_refused_and_the_possible_ones_are_named(
    build: Callable[..., Any], name: str, layers: dict[str, str], size: int
) -> None:
    with pytest.raises(ValueError, match=rf"{size}.*allowed.*28, 32, 64, 128"):
        build(name, size=size, **layers)


@pytest.mark.parametrize("name", all_variants())
def test_latents_have_the_size_that_was_asked_for(build: Callable[..., Any], name: str) -> None:
    variant = build(name, latent_dim=5)
    latent = variant.draw_latent(Noise(0, 1, torch.device("cpu")), 7)
    assert latent.shape == (7, 5)
    assert latent.dtype == torch.float32


@pytest.mark.parametrize(("name", "layers"), ARRANGEMENTS)
def test_generator_and_reconstruction_depend_on_every_part_of_their_input(
    build: Callable[..., Any], images: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    variant = build(name, size=32, shaken=True, **layers).eval()
    latent = torch.zeros(1, 6)
    with torch.no_grad():
        rest = variant.generator(latent)
        for dimension in range(6):
            moved = latent.clone()
            moved[0, dimension] = 1.0
            assert (variant.generator(moved) - rest).abs().max() > 0
        one, other = images(2, 32)[:, None]
        judge = variant.reconstruct if name != "wgan-gp" else variant.discriminator
        assert (judge(one) - judge(other)).abs().max() > 0


@pytest.mark.parametrize(("name", "layers"), ARRANGEMENTS)
def test_scalars_are_detached_numbers_without_dimensions(
    build: Callable[..., Any],
    images: Callable[..., Tensor],
    phases_run: Callable[..., Any],
    name: str,
    layers: dict[str, str],
) -> None:
    variant = build(name, **layers)
    batch = Batch(images(), Noise(0, 1, torch.device("cpu")))
    scalars, _ = phases_run(variant, batch)
    scalars |= variant.settle(batch, scalars)
    assert {"loss_d", "loss_g"} <= set(scalars)
    for value in scalars.values():
        assert value.shape == ()
        assert not value.requires_grad
        assert value.isfinite()
