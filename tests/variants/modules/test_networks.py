"""The sizes that were published, torchvision's ResNet-18, and how weights start."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from variants.base import Variant, parameter_count
from variants.began_resnet18 import ResNet18Features
from variants.modules.autoencoders import LOG_VARIANCE_LIMIT
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
def test_began_v3_has_the_number_of_parameters_of_its_arrangement(layers: str, total: int) -> None:
    variant = at_full_size("began-v3", 3, layers=layers)
    assert parameter_count(variant.generator) + parameter_count(variant.discriminator) == total


WITH_NORM: list[tuple[str, dict[str, str]]] = [
    *((name, {"layers": "strided"}) for name in ("began", "began-cs", "began-v3")),
    ("began-resnet18", {}),
    *((name, {"layers": "points"}) for name in ("began", "began-cs", "began-v3", "began-resnet18")),
]


@pytest.mark.parametrize(("name", "knobs"), WITH_NORM)
def test_the_generator_s_norm_is_left_out_of_the_generator_alone(
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
    ("name", "discriminator", "generator"),
    [("began", 14_663, 7_721), ("began-cs", 14_663, 7_721), ("began-v3", 19_373, 7_721)],
)
def test_the_strided_networks_keep_their_number_of_parameters(
    build: Callable[..., Any], name: str, discriminator: int, generator: int
) -> None:
    variant = build(name, filters=8, layers="strided")
    assert parameter_count(variant.discriminator) == discriminator
    assert parameter_count(variant.generator) == generator


@pytest.mark.parametrize(
    ("name", "layers"),
    [("began", "published"), ("began-cs", "published"), ("began-v3", "published"), ("began-v3", "table3")],
)
def test_a_norm_that_is_not_there_cannot_be_left_out(
    build: Callable[..., Any], name: str, layers: str
) -> None:
    with pytest.raises(ValueError, match=r"generator_norm 'none' needs layers 'strided'"):
        build(name, layers=layers, generator_norm="none")


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3", "wgan-gp"])
def test_networks_of_points_start_with_biases_and_with_points_that_are_spread(
    build: Callable[..., Any], name: str
) -> None:
    variant = build(name, layers="points", filters=64, latent_dim=2)
    first = next(layers_with_weights(variant.discriminator))
    assert first.bias is not None
    assert first.bias.std() > 0.5
    with torch.no_grad():
        sampled = variant.eval().generator(2 * torch.rand(500, 2) - 1)
    assert sampled.mean(0).abs().max() < 0.1
    assert 0.3 < sampled.std() < 0.5


@pytest.mark.parametrize("name", all_variants())
def test_all_parameters_are_in_one_of_the_two_networks(build: Callable[..., Any], name: str) -> None:
    variant = build(name)
    generator = {id(p) for p in variant.generator.parameters()}
    discriminator = {id(p) for p in variant.discriminator.parameters()}
    assert generator.isdisjoint(discriminator)
    assert generator | discriminator == {id(p) for p in variant.parameters()}


@pytest.mark.parametrize("training", [True, False])
def test_features_at_base_width_64_are_those_of_torchvision(
    images: Callable[..., Tensor], training: bool
) -> None:
    theirs = resnet18(weights=None).train(training)
    ours = ResNet18Features(3, 64, "random").train(training)
    ours.network.load_state_dict(theirs.state_dict())
    up_to_pool = nn.Sequential(*list(theirs.children())[:-1])
    pictures = images(2, 64, 3)
    with torch.no_grad():
        assert torch.equal(ours(pictures), up_to_pool(pictures))


@pytest.mark.parametrize(("channels", "filters"), [(3, 8), (1, 8), (1, 64)])
def test_features_of_other_widths_have_the_layers_of_torchvision(channels: int, filters: int) -> None:
    theirs = resnet18(weights=None).state_dict()
    ours = ResNet18Features(channels, filters, "random").network.state_dict()
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        if name in ("conv1.weight", "fc.weight", "fc.bias") or tensor.ndim == 0:
            continue
        narrowed = [side * filters // 64 if i < 2 else side for i, side in enumerate(tensor.shape)]
        assert list(ours[name].shape) == narrowed, name
    assert ours["conv1.weight"].shape == (filters, channels, 7, 7)


def test_narrow_features_are_computed_as_by_torchvision(images: Callable[..., Tensor]) -> None:
    ours = ResNet18Features(1, 8, "random").eval()
    up_to_pool = nn.Sequential(*list(ours.network.children())[:-1])
    pictures = images(2, 64)
    with torch.no_grad():
        assert torch.equal(ours(pictures), up_to_pool(pictures))
        assert ours(pictures).flatten(1).shape == (2, 64)


def test_the_unused_classifier_is_not_trained(build: Callable[..., Any]) -> None:
    variant = build("began-resnet18")
    frozen = [name for name, p in variant.named_parameters() if not p.requires_grad]
    assert sorted(frozen) == [f"discriminator.trunk.layers.network.fc.{part}" for part in ("bias", "weight")]
    trained = {id(p) for p in variant.trainable_parameters("discriminator")}
    assert not trained & {id(p) for p in variant.discriminator.trunk.layers.network.fc.parameters()}


def test_imagenet_weights_need_the_width_they_were_trained_at(build: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="imagenet.*64.*not 4"):
        build("began-resnet18", encoder_weights="imagenet")


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3"])
def test_weights_start_glorot_uniform_and_biases_at_zero(build: Callable[..., Any], name: str) -> None:
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


def test_the_thesis_starts_from_small_normal_weights_but_for_its_encoder(build: Callable[..., Any]) -> None:
    variant = build("began-resnet18", filters=8)
    for part in (variant.generator, variant.discriminator.decoder):
        for module in part.modules():
            if isinstance(module, nn.ConvTranspose2d | nn.Linear):
                fans = nn.init._calculate_fan_in_and_fan_out(module.weight)
                if module.weight.numel() > 500:
                    assert module.weight.std().item() == pytest.approx(
                        0.02 * math.sqrt(2 / sum(fans)), rel=0.15
                    )
                assert module.bias is not None
                assert not module.bias.any()
            if isinstance(module, nn.BatchNorm2d):
                assert torch.equal(module.weight, torch.ones_like(module.weight))
                assert not module.bias.any()
    # torchvision's own start: He's, by the fan out
    convolution = variant.discriminator.trunk.layers.network.layer3[1].conv2
    fan_out = convolution.out_channels * 9
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.1)


def test_log_variance_is_clamped_so_that_its_exponential_stays_finite(build: Callable[..., Any]) -> None:
    variant = build("began-v3")
    with torch.no_grad():
        for sign in (1.0, -1.0):
            variant.discriminator.log_variance.bias.fill_(1e4 * sign)
            encoding = variant.discriminator.encode(torch.zeros(2, 1, 28, 28))
            assert torch.equal(encoding.log_variance, torch.full((2, 6), LOG_VARIANCE_LIMIT * sign))
            assert encoding.log_variance.exp().isfinite().all()


def test_an_image_is_reconstructed_from_the_mean_of_its_code(
    build: Callable[..., Any], images: Callable[..., Tensor]
) -> None:
    variant = build("began-v3", shaken=True)
    network = variant.discriminator
    pictures = images()
    with torch.no_grad():
        expected = network.decoder(network.mean(network.trunk(pictures)))
        assert torch.equal(variant.reconstruct(pictures), expected)


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
def test_the_activation_is_the_published_one_and_the_image_is_linear(
    build: Callable[..., Any], name: str, activation: str
) -> None:
    variant = build(name, size=64)
    weighted = (nn.Conv2d, nn.ConvTranspose2d)
    for part in (variant.discriminator.trunk.layers, variant.generator.layers):
        assert {str(m) for m in part if not isinstance(m, (*weighted, nn.Upsample))} == {activation}
    for decoder in (variant.generator, variant.discriminator.decoder):
        assert isinstance(decoder.layers[-1], nn.Conv2d)
        assert all(layer.mode == "nearest" for layer in decoder.modules() if isinstance(layer, nn.Upsample))


def test_the_thesis_s_decoder_is_batch_norm_relu_and_transposed_convolution_up_to_a_tanh(
    build: Callable[..., Any],
) -> None:
    variant = build("began-resnet18", size=64)
    for decoder in (variant.generator, variant.discriminator.decoder):
        assert decoder.maps == (32, 4, 4)
        *blocks, last = decoder.layers
        for layer, kind in zip(blocks, [nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d] * 4, strict=True):
            assert isinstance(layer, kind)
        assert isinstance(last, nn.Tanh)
        assert [layer.out_channels for layer in blocks[2::3]] == [16, 8, 4, 1]
