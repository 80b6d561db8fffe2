"""Packing, DiffAugment and spectral norm in the BEGAN family, against the family's equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from variants.base import Batch
from variants.families.boundary_equilibrium import BoundaryEquilibriumHyperparameters
from variants.noise import Noise
from variants.parts.augmentation import augment

Fixture = Callable[..., Any]
CPU = torch.device("cpu")
POINTS = {"layers": "points"}
STRIDED = {"layers": "strided"}
UPDATES = pytest.mark.parametrize("update", ["simultaneous", "alternating"])
ALL_AUGMENTATIONS = {"augment_colour": True, "augment_translation": True, "augment_cutout": True}


def noise() -> Noise:
    return Noise(5, 1, CPU)


def run_step(variant: Any, real: Tensor) -> dict[str, Tensor]:
    """The scalars of one step without optimizers; gradients stay on the parameters."""
    batch = Batch(real, noise())
    scalars: dict[str, Tensor] = {}
    for phase in variant.phases():
        scalars |= phase.accumulate_gradients(batch)
    return scalars


def assert_gradients(parameters: list[nn.Parameter], expected: Tensor) -> None:
    wanted = torch.autograd.grad(expected, parameters)
    for parameter, gradient in zip(parameters, wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=2e-3, atol=1e-5)


@UPDATES
@pytest.mark.parametrize("layers", [STRIDED, POINTS, {}], ids=["strided", "points", "published"])
def test_a_packed_discriminator_reconstructs_samples_joined_in_their_order(
    layers: dict[str, str], update: str, build: Fixture, samples: Fixture
) -> None:
    variant = build("began", shaken=True, packing=2, update=update, norm="l1", **layers)
    variant.k.fill_(0.4)
    real = samples(variant, 4)
    scalars = run_step(variant, real)
    fake = variant.generator(variant.draw_latent(noise(), 4))

    def error(batch: Tensor) -> Tensor:
        packs = torch.stack([torch.cat((batch[0], batch[1])), torch.cat((batch[2], batch[3]))])
        return (packs - variant.discriminator(packs)).abs().mean()

    assert scalars["loss_real"].item() == pytest.approx(error(real).item(), rel=1e-4)
    assert scalars["loss_fake"].item() == pytest.approx(error(fake).item(), rel=1e-4)
    assert_gradients(variant.trainable_parameters("discriminator"), error(real) - 0.4 * error(fake.detach()))
    assert_gradients(variant.trainable_parameters("generator"), error(fake))


@UPDATES
@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3", "began-resnet18"])
def test_the_errors_are_those_of_augmented_images(
    name: str, update: str, build: Fixture, samples: Fixture
) -> None:
    layers = {} if name == "began-resnet18" else STRIDED
    size = {"size": 32} if name == "began-resnet18" else {}
    variant = build(
        name, shaken=True, update=update, norm="l2", reevaluate=False, **size, **layers, **ALL_AUGMENTATIONS
    )
    variant.k.fill_(0.4)
    real = samples(variant, 4)
    scalars = run_step(variant, real)
    assert all(value.isfinite() for value in scalars.values())
    if name == "began-v3":
        return  # its reconstructions are of drawn codes
    draws = noise()
    fake = variant.generator(variant.draw_latent(draws, 4))
    seen = augment(real, variant.hyperparameters, draws)
    expected = (seen - variant.discriminator(seen)).square().mean()
    assert scalars["loss_real"].item() == pytest.approx(expected.item(), rel=1e-4)
    if update == "simultaneous":
        seen = augment(fake, variant.hyperparameters, draws)
        expected = (seen - variant.discriminator(seen)).square().mean()
        assert scalars["loss_fake"].item() == pytest.approx(expected.item(), rel=1e-4)
        assert_gradients(variant.trainable_parameters("generator"), expected)


def test_the_constraint_compares_latents_of_a_pack_with_its_code(build: Fixture, samples: Fixture) -> None:
    variant = build("began-cs", packing=2, **POINTS)
    scalars = run_step(variant, samples(variant, 4))
    latent = variant.draw_latent(noise(), 4)
    packs = variant.generator(latent).reshape(2, -1)
    codes = variant.discriminator.encode(packs).mean
    expected = torch.stack([latent[:2].flatten() - codes[0], latent[2:].flatten() - codes[1]]).abs().mean()
    assert scalars["loss_constraint"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert variant.encode(packs) is None
    assert variant.reconstruct(packs) is None


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3", "began-resnet18"])
def test_spectral_norm_takes_the_place_of_batch_norm_in_d_alone(name: str, build: Fixture) -> None:
    variant = build(name, spectral_norm=True, **POINTS)
    norms = [isinstance(each, nn.BatchNorm1d) for each in variant.generator.modules()]
    assert any(norms)
    assert not any(isinstance(each, nn.BatchNorm1d) for each in variant.discriminator.modules())
    layers = [each for each in variant.discriminator.modules() if isinstance(each, nn.Linear)]
    for layer in layers:
        assert torch.linalg.svdvals(layer.weight.detach())[0].item() == pytest.approx(1, abs=0.1)
    (phase, *_) = variant.phases()
    before = [layer.parametrizations.weight[0].left.clone() for layer in layers]
    with torch.no_grad():
        for layer in layers:
            layer.parametrizations.weight.original.add_(torch.randn_like(layer.weight))
    assert phase.after is not None
    phase.after()
    assert not any(
        torch.equal(layer.parametrizations.weight[0].left, left)
        for layer, left in zip(layers, before, strict=True)
        if len(left) > 1
    )


def test_all_parts_are_off_by_default_and_neutral() -> None:
    knobs = BoundaryEquilibriumHyperparameters()
    assert (knobs.packing, knobs.spectral_norm) == (1, False)
    assert not any(getattr(knobs, name) for name in ALL_AUGMENTATIONS)


def test_augmented_points_are_refused(build: Fixture) -> None:
    with pytest.raises(ValueError, match="DiffAugment needs images"):
        build("began", augment_cutout=True, **POINTS)
