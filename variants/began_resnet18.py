"""The ResNet-18 BEGAN of a bachelor's thesis (Kyiv 2025), for Fashion-MNIST at 64 px."""

from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from variants.families.boundary_equilibrium import (
    POINTS,
    BoundaryEquilibrium,
    BoundaryEquilibriumHyperparameters,
)
from variants.knobs import LARGEST, WIDEST, Search, knob
from variants.modules.autoencoders import AutoEncoder, Trunk
from variants.modules.initialisation import initialise
from variants.modules.networks import transposed_decoder
from variants.modules.point_networks import makes_points, point_decoder, residual_point_trunk
from variants.modules.strided_pointwise import replace_strided_pointwise
from variants.presets import Preset, Training
from variants.registry import register


class BeganResnet18Hyperparameters(BoundaryEquilibriumHyperparameters):
    """Hyperparameters of the ResNet-18 BEGAN; the defaults are those of the thesis's program."""

    filters: int = knob(
        64,
        "base width; 64 is torchvision's resnet18 and the thesis's decoder",
        unit="channels",
        low=1,
        high=1_000_000,
    )
    latent_dim: int = knob(
        48,
        "size of the latent z (the text says 64, the program 48)",
        unit="dimensions",
        low=1,
        high=WIDEST,
        search=Search(8, 128, "log"),
    )
    lr_d: float = knob(
        1e-5,
        "Adam's learning rate of the discriminator; below G's, the thesis's remedy for mode collapse",
        above=0,
        high=LARGEST,
        search=Search(1e-5, 5e-3, "log"),
    )
    beta1: float = knob(0.5, "Adam's decay of the first moment", low=0, high=0.9999, search=Search(0.0, 0.9))
    update: Literal["alternating", "simultaneous"] = knob(
        "alternating", "D and then G against the new D, or both networks from one forward pass"
    )
    fresh_latent: bool = knob(True, "alternating only: G's phase draws its own z instead of reusing D's")
    prior: Literal["uniform", "normal"] = knob("normal", "z ~ U[-1, 1] or N(0, I)")
    layers: Literal["published", "points"] = knob(
        "published", "ResNet-18 and transposed convolutions, or residual linear layers for points"
    )
    decoder_gain: float = knob(
        0.02,
        "gain of the Xavier normal weights of G and of D's decoder; a small gain needs a G with batch norm: "
        "without it, the first generated images are almost equal",
        above=0,
        high=LARGEST,
    )
    encoder_weights: Literal["random", "imagenet"] = knob(
        "random",
        "initial weights of D's encoder: torchvision's random initialisation, or its ImageNet weights "
        "(filters 64 only; torchvision downloads them unless they are on the machine)",
    )


class ResNet18Features(nn.Module):
    """torchvision's resnet18 up to its average pool, at any base width and number of channels.

    The classifier is unused and frozen. It stays in the module because ImageNet weights include it, and the
    thesis's parameter count too.

    Parameters
    ----------
    channels : int
        Channels of the images; the first convolution is 7x7, stride 2, padding 3, without bias.
    filters : int
        Base width; torchvision's is 64.
    weights : {"random", "imagenet"}
        Initial weights. With other than 3 channels, the first convolution has torch's default
        initialisation in either case.
    """

    def __init__(self, channels: int, filters: int, weights: Literal["random", "imagenet"]) -> None:
        super().__init__()
        # imported late: torchvision takes seconds to import and no other variant needs it
        from torchvision.models import ResNet18_Weights, resnet
        from torchvision.models.resnet import BasicBlock

        own_width = filters == 64
        if weights == "imagenet" and not own_width:
            raise ValueError(f"encoder_weights 'imagenet' needs filters 64, not {filters}")
        # at another width every layer with weights is replaced, so initialising the original ones is skipped
        with nullcontext() if own_width else torch.device("meta"):
            network = resnet.ResNet(BasicBlock, [2, 2, 2, 2])
        if weights == "imagenet":
            network.load_state_dict(ResNet18_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True))
        if not own_width:
            network.inplanes = filters
            network.bn1 = nn.BatchNorm2d(filters)
            for stage in range(4):
                layer = network._make_layer(BasicBlock, filters << stage, 2, stride=1 if stage == 0 else 2)
                initialise_like_torchvision(layer)
                setattr(network, f"layer{stage + 1}", layer)
            network.fc = nn.Linear(filters * 8, 1000)
        if channels != 3 or not own_width:
            network.conv1 = nn.Conv2d(channels, filters, 7, stride=2, padding=3, bias=False)
        replace_strided_pointwise(network)
        network.fc.requires_grad_(False)
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, S, S) to (B, 8 filters)."""
        net = self.network
        maps = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        return net.avgpool(net.layer4(net.layer3(net.layer2(net.layer1(maps)))))


def initialise_like_torchvision(network: nn.Module) -> None:
    """Initialise convolutions as torchvision's ResNet constructor does: He normal by fan-out."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


@register
class BeganResnet18(BoundaryEquilibrium):
    """The ResNet-18 BEGAN for Fashion-MNIST (a bachelor's thesis, Kyiv 2025).

    Alternating updates with a fresh z for G. k and M compare L(x) before D's update with L(G(z_G)) after it.
    Real and fake samples pass D separately, with D in train mode. The equations are the base class's.
    """

    name = "began-resnet18"
    short_name = "res18"
    title = "ResNet-18 BEGAN"
    source = "a bachelor's thesis, Kyiv 2025"
    Hyperparameters = BeganResnet18Hyperparameters
    hyperparameters: BeganResnet18Hyperparameters
    presets = {
        # found by a study: docs/quick-presets.md
        "quick": Preset(
            {
                "filters": 16,
                "norm": "l2",
                "gamma": 0.82,
                "lambda_k": 0.072,
                "lr_g": 2.7e-3,
                "lr_d": 1.35e-3,
                "latent_dim": 9,
                "beta2": 0.9,
                "decoder_gain": 1.0,
            },
            Training(image_size=32, batch_size=32, steps=2000, eval_every=500),
        ),
        "points": POINTS.with_values(decoder_gain=1.0, update="alternating"),
        "small": Preset({"filters": 32}, Training(dataset="fashion-mnist", batch_size=64, epochs=8)),
        "paper": Preset(
            training=Training(
                dataset="fashion-mnist", image_size=64, batch_size=64, epochs=8, drop_last=False
            )
        ),
    }

    def build_networks(self) -> None:
        """Build generator and discriminator."""
        hyperparameters, sample_shape = self.hyperparameters, self.sample_shape
        filters, latent_dim = hyperparameters.filters, hyperparameters.latent_dim
        packed = hyperparameters.packing
        normalise = hyperparameters.generator_norm == "batch"
        if makes_points(hyperparameters.layers, sample_shape):
            (dimensions,) = sample_shape
            trunk = residual_point_trunk(packed * dimensions, filters)
            decoder = point_decoder(packed * dimensions, filters, filters)
            self.generator = point_decoder(dimensions, filters, latent_dim, normalise=normalise)
        else:
            channels, size, _ = sample_shape
            features = ResNet18Features(packed * channels, filters, hyperparameters.encoder_weights)
            trunk = Trunk(features, filters * 8)
            decoder = transposed_decoder(packed * channels, size, filters, filters * 8)
            self.generator = transposed_decoder(channels, size, filters, latent_dim, normalise=normalise)
        self.discriminator = AutoEncoder(trunk, None, decoder)
        for module in (self.generator, decoder):
            initialise(module, lambda weight: nn.init.xavier_normal_(weight, hyperparameters.decoder_gain))
