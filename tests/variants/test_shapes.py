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


def parameters(found: list[tuple[str, dict[str, str]]]) -> list[Any]:
    return [pytest.param(*a, id="-".join([a[0], *a[1].values()])) for a in found]


POINTS = {"layers": "points"}
ARRANGEMENTS = parameters(arrangements())
OF_IMAGES = parameters([a for a in arrangements() if a[1] != POINTS])
OF_POINTS = parameters([a for a in arrangements() if a[1] == POINTS])
SIZES = [28, 32, 64, 128]


def test_every_layers_knob_is_among_the_arrangements() -> None:
    assert ("began", {"layers": "strided"}) in arrangements()
    assert ("began-v3", {"layers": "table3"}) in arrangements()
    assert {name for name, layers in arrangements() if layers == POINTS} == set(all_variants())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "layers"), OF_IMAGES)
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


@pytest.mark.parametrize("dimensions", [2, 5])
@pytest.mark.parametrize("name", all_variants())
def test_samples_and_reconstructions_have_the_shape_of_the_points(name: str, dimensions: int) -> None:
    kind = all_variants()[name]
    variant = kind(kind.Hyperparameters(filters=4, latent_dim=6, **POINTS), (dimensions,))
    with torch.no_grad():
        sampled = variant.generator(100 * variant.draw_latent(Noise(0, 1, torch.device("cpu")), 7))
        reconstructed = variant.reconstruct(torch.rand(7, dimensions))
    for made in (sampled, reconstructed):
        if made is None:
            assert name == "wgan-gp"
        else:
            assert made.shape == (7, dimensions)
            assert made.dtype == torch.float32
            assert made.isfinite().all()
    assert sampled.abs().max() <= 1.0


@pytest.mark.parametrize(("name", "layers"), OF_POINTS)
def test_layers_for_points_refuse_images(name: str, layers: dict[str, str]) -> None:
    kind = all_variants()[name]
    with pytest.raises(ValueError, match=r"^layers 'points' needs points, .*\(1, 28, 28\) are images.*$"):
        kind(kind.Hyperparameters(**layers), (1, 28, 28))


@pytest.mark.parametrize(("name", "layers"), OF_IMAGES)
def test_layers_for_images_refuse_points(name: str, layers: dict[str, str]) -> None:
    kind = all_variants()[name]
    message = rf"^layers '{layers['layers']}' needs images, samples of shape \(2,\) need layers 'points'$"
    with pytest.raises(ValueError, match=message):
        kind(kind.Hyperparameters(**layers), (2,))


@pytest.mark.parametrize("size", [8, 27, 48, 96])
@pytest.mark.parametrize(("name", "layers"), OF_IMAGES)
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
    build: Callable[..., Any], samples: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    # of so few as 4 ReLU features all may be off
    knobs: dict[str, Any] = layers | ({"filters": 16} if layers == POINTS else {})
    variant = build(name, size=32, shaken=True, **knobs).eval()
    latent = torch.zeros(1, 6)
    with torch.no_grad():
        rest = variant.generator(latent)
        for dimension in range(6):
            moved = latent.clone()
            moved[0, dimension] = 1.0
            assert (variant.generator(moved) - rest).abs().max() > 0
        one, other = samples(variant, 2)[:, None]
        judge = variant.reconstruct if name != "wgan-gp" else variant.discriminator
        assert (judge(one) - judge(other)).abs().max() > 0


@pytest.mark.parametrize(("name", "layers"), ARRANGEMENTS)
def test_scalars_are_detached_numbers_without_dimensions(
    build: Callable[..., Any],
    samples: Callable[..., Tensor],
    phases_run: Callable[..., Any],
    name: str,
    layers: dict[str, str],
) -> None:
    variant = build(name, **layers)
    batch = Batch(samples(variant), Noise(0, 1, torch.device("cpu")))
    scalars, _ = phases_run(variant, batch)
    scalars |= variant.scalars_after_phases(batch)
    scalars |= variant.update_state(scalars)
    assert {"loss_d", "loss_g"} <= set(scalars)
    for value in scalars.values():
        assert value.shape == ()
        assert not value.requires_grad
        assert value.isfinite()
