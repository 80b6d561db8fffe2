"""Networks of points (B, N): small ones, of linear layers."""

import math

import torch
from torch import Tensor, nn

from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.networks import Activation, relu

FIRST_GAIN = 3.0  # of the weights that take points in: modes are a hundredth of the square wide
SPREAD = 0.4  # standard deviation of the generator's first points, before tanh: over the modes, not on one


def makes_points(layers: str, sample_shape: tuple[int, ...]) -> bool:
    """Whether a variant of these layers makes points, not images.

    Raises
    ------
    ValueError
        If the layers do not go with the shape of the samples.
    """
    points = len(sample_shape) == 1
    if points and layers != "points":
        raise ValueError(
            f"layers {layers!r} needs images, samples of shape {sample_shape} need layers 'points'"
        )
    if layers == "points" and not points:
        raise ValueError(
            f"layers 'points' needs points, samples of shape {sample_shape} are images and need other layers"
        )
    return points


def point_trunk(dimensions: int, filters: int, activation: Activation, normalise: bool = True) -> Trunk:
    """An encoder of two hidden layers; batch norm, where wanted, follows the second one."""
    layers: list[nn.Module] = [nn.Linear(dimensions, filters), activation(), nn.Linear(filters, filters)]
    if normalise:
        layers.append(nn.BatchNorm1d(filters))
    layers.append(activation())
    return Trunk(nn.Sequential(*layers), filters)


def point_decoder(
    dimensions: int,
    filters: int,
    latent_dim: int,
    activation: Activation = relu,
    bounded: bool = True,
    normalise: bool = True,
) -> Decoder:
    """A decoder or generator of two hidden layers, then tanh where `bounded`.

    Unless `normalise`, the batch norms of the hidden layers are left out.
    """
    layers: list[nn.Module] = []
    for outputs in (filters, dimensions):
        if normalise:
            layers.append(nn.BatchNorm1d(filters))
        layers += [activation(), nn.Linear(filters, outputs)]
    if bounded:
        layers.append(nn.Tanh())
    return Decoder(latent_dim, (filters,), nn.Sequential(*layers))


def initialise_points(generator: Decoder, judge: nn.Module) -> None:
    """Start the networks so that kinks, and the first generated points, lie all over the square.

    Without biases every kink of a ReLU network would pass through the origin.

    Parameters
    ----------
    generator : Decoder
        Its weights are He's, its first biases U[-1, 1]; the last layer centres and scales its points.
    judge : nn.Module
        The discriminator or critic; starts as torch's linear layers do, the first one steeper.
    """
    layers = [layer for layer in judge.modules() if isinstance(layer, nn.Linear)]
    for layer in layers:
        layer.reset_parameters()
    with torch.no_grad():
        for parameter in layers[0].parameters():
            parameter.mul_(FIRST_GAIN)
    layers = [layer for layer in generator.modules() if isinstance(layer, nn.Linear)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.in_features))
        nn.init.zeros_(layer.bias)
    nn.init.uniform_(layers[0].bias, -1, 1)
    with torch.no_grad():
        generator.eval()
        first = generator.layers[:-1](generator.project(2 * torch.rand(1000, layers[0].in_features) - 1))
        generator.train()
        scale = SPREAD / first.std(0).clamp(min=1e-3)
        layers[-1].weight.mul_(scale[:, None])
        layers[-1].bias.copy_(-scale * first.mean(0))


class ResidualBlock(nn.Module):
    """ResNet-18's basic block with linear layers instead of convolutions."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(filters, filters, bias=False),
            nn.BatchNorm1d(filters),
            relu(),
            nn.Linear(filters, filters, bias=False),
            nn.BatchNorm1d(filters),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, filters) to (B, filters)."""
        return nn.functional.relu(features + self.layers(features))


def residual_point_trunk(dimensions: int, filters: int, blocks: int = 2) -> Trunk:
    """The nearest relative of ResNet-18's features: a linear layer, then residual blocks."""
    stem = (nn.Linear(dimensions, filters, bias=False), nn.BatchNorm1d(filters), relu())
    return Trunk(nn.Sequential(*stem, *(ResidualBlock(filters) for _ in range(blocks))), filters)
