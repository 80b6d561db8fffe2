"""Small networks of linear layers for points (B, N)."""

import math

import torch
from torch import Tensor, nn

from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.networks import Activation, relu

# factor of the discriminator's first layer: a mode is only a hundredth as wide as the square of all points
FIRST_GAIN = 3.0
# standard deviation of the untrained generator's points, before tanh: they cover all modes
SPREAD = 0.4


def makes_points(layers: str, sample_shape: tuple[int, ...]) -> bool:
    """Return whether samples of a shape are points rather than images.

    Raises
    ------
    ValueError
        If networks of `layers` cannot make samples of that shape.
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
    """Build an encoder of two hidden layers; with `normalise`, batch norm follows the second."""
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
    """Build a decoder or generator of two hidden layers, then tanh if `bounded`.

    Without `normalise`, the hidden layers have no batch norm.
    """
    layers: list[nn.Module] = []
    for outputs in (filters, dimensions):
        if normalise:
            layers.append(nn.BatchNorm1d(filters))
        layers += [activation(), nn.Linear(filters, outputs)]
    if bounded:
        layers.append(nn.Tanh())
    return Decoder(latent_dim, (filters,), nn.Sequential(*layers))


def initialise_point_networks(generator: Decoder, discriminator: nn.Module) -> None:
    """Initialise networks such that ReLU kinks and generated points are spread over the whole square.

    Without biases every kink of a ReLU network would pass through the origin.

    Parameters
    ----------
    generator : Decoder
        He normal weights, biases of the first layer from U[-1, 1]; the last layer is rescaled to centre the
        points and to give them a standard deviation of `SPREAD`.
    discriminator : nn.Module
        Discriminator or critic: torch's default, with the first layer multiplied by `FIRST_GAIN`.
    """
    layers = [layer for layer in discriminator.modules() if isinstance(layer, nn.Linear)]
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
    """Build a counterpart of ResNet-18 for points: a linear layer, then residual blocks."""
    stem = (nn.Linear(dimensions, filters, bias=False), nn.BatchNorm1d(filters), relu())
    return Trunk(nn.Sequential(*stem, *(ResidualBlock(filters) for _ in range(blocks))), filters)
