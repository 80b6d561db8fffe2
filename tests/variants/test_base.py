"""The contract of every variant and architecture: shapes, scalars, gradients, codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from bench.checking import contract
from bench.checking.subject import Subject
from variants.base import Batch
from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.noise import Noise
from variants.registry import all_variants

POINTS = {"layers": "points"}


def architectures() -> list[tuple[str, dict[str, str]]]:
    """Return every variant with every value of its knob `layers`.

    A variant without that knob has layers for images and, where samples are points, for points.
    """
    found: list[tuple[str, dict[str, str]]] = []
    for name, kind in all_variants().items():
        field = kind.Hyperparameters.model_fields.get("layers")
        values = get_args(field.annotation) if field else ()
        plain = [(name, {} if samples == "images" else POINTS) for samples in kind.sample_kinds]
        found += [(name, {"layers": value}) for value in values] or plain
    return found


def with_a_choice(found: list[tuple[str, dict[str, str]]]) -> list[tuple[str, dict[str, str]]]:
    """Return the architectures of variants with the knob `layers`."""
    return [a for a in found if "layers" in all_variants()[a[0]].Hyperparameters.model_fields]


def parameters(found: list[tuple[str, dict[str, str]]]) -> list[Any]:
    return [pytest.param(*a, id="-".join([a[0], *a[1].values()])) for a in found]


ARCHITECTURES = parameters(architectures())
OF_IMAGES = parameters([a for a in architectures() if a[1] != POINTS])
# linear layers make images of any size
WITH_CONVOLUTIONS = parameters([a for a in architectures() if a[1] != POINTS and a[0] != "gan"])
CHOSEN_FOR_IMAGES = parameters([a for a in with_a_choice(architectures()) if a[1] != POINTS])
CHOSEN_FOR_POINTS = parameters([a for a in with_a_choice(architectures()) if a[1] == POINTS])
OF_POINTS = [name for name, kind in all_variants().items() if "points" in kind.sample_kinds]
SIZES = [16, 28, 32, 36, 40, 64, 96]


def test_the_list_of_architectures_is_complete() -> None:
    assert ("began", {"layers": "strided"}) in architectures()
    assert ("began-v3", {"layers": "table3"}) in architectures()
    assert {name for name, layers in architectures() if layers == POINTS} == set(OF_POINTS)
    assert {"began", "wgan-gp"} <= set(OF_POINTS)


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
    if variant.encode(images(2, size, channels)) is None:
        assert reconstructed is None
    else:
        assert reconstructed.shape == (2, channels, size, size)
        assert reconstructed.dtype == torch.float32
        assert reconstructed.isfinite().all()


@pytest.mark.parametrize("dimensions", [2, 5])
@pytest.mark.parametrize("name", OF_POINTS)
def test_samples_and_reconstructions_have_the_shape_of_the_points(
    build: Callable[..., Any], name: str, dimensions: int
) -> None:
    variant = build(name, dimensions=dimensions, **POINTS)
    with torch.no_grad():
        sampled = variant.generator(100 * variant.draw_latent(Noise(0, 1, torch.device("cpu")), 7))
        reconstructed = variant.reconstruct(torch.rand(7, dimensions))
    for made in (sampled, reconstructed):
        if made is None:
            assert variant.encode(torch.rand(7, dimensions)) is None
        else:
            assert made.shape == (7, dimensions)
            assert made.dtype == torch.float32
            assert made.isfinite().all()
    assert sampled.abs().max() <= 1.0


@pytest.mark.parametrize(("name", "layers"), CHOSEN_FOR_POINTS)
def test_layers_for_points_refuse_images(name: str, layers: dict[str, str]) -> None:
    kind = all_variants()[name]
    with pytest.raises(ValueError, match=r"^layers 'points' needs points, .*\(1, 28, 28\) are images.*$"):
        kind(kind.Hyperparameters(**layers), (1, 28, 28))


@pytest.mark.parametrize(("name", "layers"), CHOSEN_FOR_IMAGES)
def test_layers_for_images_refuse_points(name: str, layers: dict[str, str]) -> None:
    kind = all_variants()[name]
    message = rf"^layers '{layers['layers']}' needs images, samples of shape \(2,\) need layers 'points'$"
    with pytest.raises(ValueError, match=message):
        kind(kind.Hyperparameters(**layers), (2,))


@pytest.mark.parametrize(
    ("size", "nearest"), [(8, "is 16"), (27, "are 26 and 28"), (50, "are 48 and 52"), (2048, "is 1024")]
)
@pytest.mark.parametrize(("name", "layers"), WITH_CONVOLUTIONS)
def test_an_unsupported_size_is_refused_and_the_nearest_sizes_are_named(
    build: Callable[..., Any], name: str, layers: dict[str, str], size: int, nearest: str
) -> None:
    with pytest.raises(ValueError, match=rf"^image_size {size} is not possible, nearest {nearest} \("):
        build(name, size=size, **layers)


@pytest.mark.parametrize("name", all_variants())
def test_latents_have_latent_dim_dimensions(build: Callable[..., Any], name: str) -> None:
    variant = build(name, latent_dim=5)
    latent = variant.draw_latent(Noise(0, 1, torch.device("cpu")), 7)
    codes = sum(code.width for code in variant.latent_codes())
    assert latent.shape == (7, 5 + codes + variant.classes)
    assert latent.dtype == torch.float32


@pytest.mark.parametrize(("name", "layers"), ARCHITECTURES)
def test_generator_and_reconstruction_depend_on_every_part_of_their_input(
    build: Callable[..., Any], samples: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    # of so few as 4 ReLU features all may be off
    knobs: dict[str, Any] = layers | ({"filters": 16} if layers == POINTS else {})
    variant = build(name, size=32, shaken=True, **knobs).eval()
    latent = torch.zeros_like(variant.draw_latent(Noise(0, 1, torch.device("cpu")), 1))
    with torch.no_grad():
        rest = variant.generator(latent)
        for dimension in range(latent.shape[1]):
            moved = latent.clone()
            moved[0, dimension] = 1.0
            assert (variant.generator(moved) - rest).abs().max() > 0
        # two pairs, for a variant that scores packs of two
        one, other = samples(variant, 4).split(2)
        if variant.encode(one) is not None:
            judged = variant.reconstruct(one), variant.reconstruct(other)
        else:
            classes = torch.zeros(2, variant.classes) if variant.conditional else None
            batch = Batch(one, Noise(0, 1, torch.device("cpu")))
            judged = tuple(variant.score(*variant.as_seen(each, batch, classes)) for each in (one, other))
        assert (judged[0] - judged[1]).abs().max() > 0


@pytest.mark.parametrize(("name", "layers"), ARCHITECTURES)
def test_scalars_keep_the_contract_and_both_losses_are_among_them(
    subject: Callable[..., Subject], name: str, layers: dict[str, str]
) -> None:
    contract.scalars(subject(name, **layers))
    given = {scalar for outcome in subject(name, **layers).phase_outcomes for scalar in outcome.scalars}
    assert {"loss_d", "loss_g"} <= given


FAMILY = [name for name, kind in all_variants().items() if issubclass(kind, BoundaryEquilibrium)]
KINDS_OF_SAMPLES: list[dict[str, str]] = [{}, {"layers": "points"}]
of_images_and_points = pytest.mark.parametrize("layers", KINDS_OF_SAMPLES, ids=["images", "points"])


@pytest.mark.parametrize(
    ("name", "layers"),
    parameters([(name, {}) for name in all_variants()] + [(name, POINTS) for name in OF_POINTS]),
)
def test_a_reconstruction_is_the_decoded_code(
    build: Callable[..., Any], samples: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    variant = build(name, size=32, shaken=True, **layers).eval()
    real = samples(variant)
    with torch.no_grad():
        code, reconstructed = variant.encode(real), variant.reconstruct(real)
        if code is None:
            assert name not in FAMILY
            assert reconstructed is None
            assert variant.decode(torch.zeros(3, 6)) is None
            return
        assert code.dtype == torch.float32
        assert code.dim() == 2
        assert len(code) == 3
        assert torch.equal(variant.decode(code), reconstructed)
        if name in FAMILY:
            assert torch.equal(variant.discriminator(real), reconstructed)


@of_images_and_points
@pytest.mark.parametrize("name", FAMILY)
def test_the_code_of_a_sample_does_not_depend_on_the_rest_of_the_batch(
    build: Callable[..., Any], samples: Callable[..., Tensor], name: str, layers: dict[str, str]
) -> None:
    variant = build(name, size=32, shaken=True, **layers).eval()
    real = samples(variant, 4)
    with torch.no_grad():
        together = variant.encode(real)
        apart = torch.cat([variant.encode(sample[None]) for sample in real])
    torch.testing.assert_close(together, apart)
    assert (together[0] - together[1]).abs().max() > 0


def with_every_update(found: list[tuple[str, dict[str, str]]]) -> list[tuple[str, dict[str, str]]]:
    """Return hyperparameters with every value of `update`, where a variant has that hyperparameter."""
    cases: list[tuple[str, dict[str, str]]] = []
    for name, knobs in found:
        field = all_variants()[name].Hyperparameters.model_fields.get("update")
        values = get_args(field.annotation) if field else ()
        cases += [(name, knobs | {"update": value}) for value in values] or [(name, knobs)]
    return cases


WITHOUT_NORM = [
    ("began", {"layers": "points", "generator_norm": "none"}),
    ("began-v3", {"layers": "strided", "generator_norm": "none"}),
    ("began-resnet18", {"layers": "published", "generator_norm": "none"}),
]


@pytest.mark.parametrize(("name", "knobs"), parameters(with_every_update(architectures() + WITHOUT_NORM)))
def test_a_phase_leaves_gradients_on_all_of_the_networks_it_updates_and_on_no_others(
    subject: Callable[..., Subject], name: str, knobs: dict[str, Any]
) -> None:
    contract.gradients(subject(name, **knobs))
    variant = subject(name, **knobs).build()
    names = {id(parameter): key for key, parameter in variant.named_parameters()}
    reached, all_updated = set(), set()
    for outcome in subject(name, **knobs).phase_outcomes:
        updated = {
            names[id(parameter)]
            for network in outcome.phase.updates
            for parameter in variant.trainable_parameters(network)
        }
        if name == "progan":  # a network that has not grown to the end
            assert outcome.with_gradient <= updated, outcome.place
        else:
            assert outcome.with_gradient == updated, outcome.place
        reached |= outcome.with_gradient
        all_updated |= updated
    assert reached == all_updated
