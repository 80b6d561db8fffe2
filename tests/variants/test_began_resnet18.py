"""The ResNet-18 BEGAN: training against a plain loop, layers against torchvision's, initial weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from bench.runs import record
from variants.began_resnet18 import ResNet18Features
from variants.noise import Noise

STEPS = 4


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Float64 throughout: Adam turns rounding of gradients that are zero into steps of full size."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def train_plainly(
    generator: Any, discriminator: Any, get: Callable[[int], Tensor], seed: int, knobs: Any
) -> list[dict[str, Any]]:
    """Train as the thesis does, one step after the other, and tell what each left."""
    g_optimizer = torch.optim.Adam(
        generator.parameters(), lr=knobs.lr_g, betas=(knobs.beta1, knobs.beta2), eps=knobs.adam_epsilon
    )
    d_optimizer = torch.optim.Adam(
        [p for name, p in discriminator.named_parameters() if ".fc." not in name],
        lr=knobs.lr_d,
        betas=(knobs.beta1, knobs.beta2),
        eps=knobs.adam_epsilon,
    )
    generator.train()
    discriminator.train()
    k = 0.0
    told = []
    for step in range(1, STEPS + 1):
        noise = Noise(seed, step, torch.device("cpu"))
        real = get(step - 1)

        z = noise.normal("latent", (len(real), knobs.latent_dim))
        fake = generator(z).detach()
        d_optimizer.zero_grad()
        loss_real = torch.mean(torch.abs(real - discriminator(real)))
        loss_fake = torch.mean(torch.abs(fake - discriminator(fake)))
        d_loss = loss_real - k * loss_fake
        d_loss.backward()
        d_optimizer.step()

        z = noise.normal("generator latent", (len(real), knobs.latent_dim))
        g_optimizer.zero_grad()
        fake = generator(z)
        g_loss = torch.mean(torch.abs(fake - discriminator(fake)))
        g_loss.backward()
        g_optimizer.step()

        balance = knobs.gamma * loss_real.item() - g_loss.item()
        k = min(max(k + knobs.lambda_k * balance, 0.0), 1.0)
        told.append(
            {
                "generator": copy.deepcopy(generator.state_dict()),
                "discriminator": copy.deepcopy(discriminator.state_dict()),
                "d_loss": d_loss.item(),
                "g_loss": g_loss.item(),
                "k": k,
                "m": loss_real.item() + abs(balance),
            }
        )
    return told


@pytest.mark.parametrize(
    ("size", "knobs"),
    [
        (28, {}),
        (32, {"lr_g": 1e-3, "lr_d": 1e-3, "lambda_k": 0.5, "gamma": 0.9}),
    ],
)
def test_the_trainer_equals_a_plain_training_loop(
    build: Callable[..., Any],
    make_trainer: Callable[..., Any],
    double_precision: None,
    tmp_path: Path,
    size: int,
    knobs: dict[str, Any],
) -> None:
    variant = build("began-resnet18", size=size, shaken=bool(knobs), dtype=torch.float64, **knobs)
    chosen = variant.hyperparameters
    assert (chosen.update, chosen.fresh_latent, chosen.prior, chosen.norm, chosen.reevaluate) == (
        "alternating",
        True,
        "normal",
        "l1",
        False,
    )
    start = copy.deepcopy(variant)
    trainer = make_trainer(variant, STEPS)
    after: list[dict[str, Tensor]] = []

    def look() -> bool:
        after.append(copy.deepcopy(variant.state_dict()))
        return False

    trainer.stop_requested = look
    trainer.train()
    rows = record.read(tmp_path / "run" / "record.jsonl").steps
    get, seed = trainer.batches.get, trainer.plan.seed
    plain = train_plainly(start.generator, start.discriminator, get, seed, chosen)

    assert len(after) == len(rows) == STEPS
    for step, (state, row, told) in enumerate(zip(after, rows, plain, strict=True), start=1):
        assert row["step"] == step
        assert state["k"].item() == pytest.approx(told["k"], rel=1e-9)
        # the record holds float32
        assert row["k"] == pytest.approx(told["k"], rel=1e-6)
        assert row["M"] == pytest.approx(told["m"], rel=1e-6)
        assert row["loss_d"] == pytest.approx(told["d_loss"], rel=1e-6)
        assert row["loss_g"] == pytest.approx(told["g_loss"], rel=1e-6)
        for network in ("generator", "discriminator"):
            for name, tensor in told[network].items():
                found = state[f"{network}.{name}"]
                assert torch.allclose(found, tensor, rtol=1e-7, atol=1e-9), (step, network, name)
    assert 0 < plain[0]["k"] < plain[-1]["k"] < 1


def test_the_defaults_are_those_of_the_thesis(build: Callable[..., Any]) -> None:
    knobs = build("began-resnet18").Hyperparameters()
    assert (knobs.filters, knobs.latent_dim, knobs.prior) == (64, 48, "normal")
    assert (knobs.lr_g, knobs.lr_d, knobs.beta1, knobs.beta2) == (1e-4, 1e-5, 0.5, 0.999)
    assert (knobs.gamma, knobs.lambda_k, knobs.norm) == (0.5, 0.001, "l1")
    paper = type(build("began-resnet18")).presets["paper"]
    assert paper.hyperparameters == {}
    assert paper.training.stated() == {
        "dataset": "fashion-mnist",
        "image_size": 64,
        "batch_size": 64,
        "epochs": 8,
        "drop_last": False,
    }


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


def test_imagenet_weights_need_64_filters(build: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="imagenet.*64.*not 4"):
        build("began-resnet18", encoder_weights="imagenet")


def test_initial_weights_are_small_and_normal_except_in_the_encoder(build: Callable[..., Any]) -> None:
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


def test_the_decoder_repeats_batch_norm_relu_and_transposed_convolution_and_ends_with_tanh(
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
