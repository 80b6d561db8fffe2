"""Architectures by name: published parameter counts, the norm of the generator, initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from variants.base import Variant, parameter_count
from variants.modules.batch_normalisation import batch_norms
from variants.modules.initialisation import layers_with_weights
from variants.registry import all_variants


def at_full_size(name: str, channels: int, **knobs: Any) -> Variant:
    kind = all_variants()[name]
    with torch.device("meta"):
        return kind(kind.Hyperparameters(**knobs), (channels, 64, 64))


@pytest.mark.parametrize(
    ("name", "channels", "discriminator", "generator"),
    [
        ("began", 3, 13_405_379, 1_716_611),
        ("began-cs", 3, 18_371_267, 2_258_051),
        ("began-resnet18", 1, 18_641_641, 3_157_313),
    ],
)
def test_networks_have_the_published_number_of_parameters(
    name: str, channels: int, discriminator: int, generator: int
) -> None:
    variant = at_full_size(name, channels)
    assert parameter_count(variant.discriminator) == discriminator
    assert parameter_count(variant.generator) == generator


@pytest.mark.parametrize(("layers", "total"), [("published", 22_726_534), ("table3", 10_331_142)])
def test_began_v3_has_the_number_of_parameters_of_its_architecture(layers: str, total: int) -> None:
    variant = at_full_size("began-v3", 3, layers=layers)
    assert parameter_count(variant.generator) + parameter_count(variant.discriminator) == total


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [("began", 14_663, 7_721), ("began-cs", 14_663, 7_721), ("began-v3", 19_373, 7_721)],
)
def test_the_strided_networks_keep_their_number_of_parameters(
    build: Callable[..., Any], name: str, discriminator: int, generator: int
) -> None:
    variant = build(name, filters=8, layers="strided")
    assert parameter_count(variant.discriminator) == discriminator
    assert parameter_count(variant.generator) == generator


WITH_NORM: list[tuple[str, dict[str, str]]] = [
    *((name, {"layers": "strided"}) for name in ("began", "began-cs", "began-v3")),
    ("began-resnet18", {}),
    *((name, {"layers": "points"}) for name in ("began", "began-cs", "began-v3", "began-resnet18")),
]


@pytest.mark.parametrize(("name", "knobs"), WITH_NORM)
def test_generator_norm_none_removes_batch_norm_from_the_generator_only(
    build: Callable[..., Any], name: str, knobs: dict[str, str]
) -> None:
    usual, without = build(name, **knobs), build(name, generator_norm="none", **knobs)
    assert usual.hyperparameters.generator_norm == "batch"
    assert not batch_norms(without.generator)
    normed = [part for part in ("trunk", "decoder") if batch_norms(getattr(without.discriminator, part))]
    of_points = knobs.get("layers") == "points" and name != "began-resnet18"
    assert normed == (["trunk"] if of_points else ["trunk", "decoder"])
    # one scale and one shift for each map that a transposed convolution gets, or feature a later linear layer
    _, *later = layers_with_weights(without.generator)
    inputs = [m.in_features if isinstance(m, nn.Linear) else m.in_channels for m in later]
    difference = parameter_count(usual.generator) - parameter_count(without.generator)
    assert difference == 2 * sum(inputs)

    left = usual.discriminator.state_dict()
    assert all(torch.equal(left[key], t) for key, t in without.discriminator.state_dict().items())
    pairs = zip(layers_with_weights(usual.generator), layers_with_weights(without.generator), strict=True)
    # those of points are scaled by what they make, to which batch norm adds its epsilon
    for one, other in pairs:
        torch.testing.assert_close(one.weight, other.weight, rtol=1e-4 if of_points else 0.0, atol=0.0)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("began", "published"), ("began-cs", "published"), ("began-v3", "published"), ("began-v3", "table3")],
)
def test_generator_norm_none_is_refused_if_the_generator_has_no_norm(
    build: Callable[..., Any], name: str, layers: str
) -> None:
    with pytest.raises(ValueError, match=r"generator_norm 'none' needs layers 'strided'"):
        build(name, layers=layers, generator_norm="none")


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3"])
def test_initial_weights_are_glorot_uniform_and_biases_zero(build: Callable[..., Any], name: str) -> None:
    variant = build(name, filters=8)
    for module in variant.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            bound = math.sqrt(6 / (fan_in + fan_out))
            assert module.weight.abs().max() <= bound
            if module.weight.numel() > 500:
                assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert module.bias is not None
            assert not module.bias.any()
