"""Networks of points (B, N): small ones, of linear layers."""

from torch import Tensor, nn

from variants.autoencoders import Decoder, Trunk
from variants.networks import Activation


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
    activation: Activation = nn.ReLU,
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


class ResidualBlock(nn.Module):
    """ResNet-18's basic block with linear layers instead of convolutions."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(filters, filters, bias=False),
            nn.BatchNorm1d(filters),
            nn.ReLU(),
            nn.Linear(filters, filters, bias=False),
            nn.BatchNorm1d(filters),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, filters) to (B, filters)."""
        return nn.functional.relu(features + self.layers(features))


def residual_point_trunk(dimensions: int, filters: int, blocks: int = 2) -> Trunk:
    """The nearest relative of ResNet-18's features: a linear layer, then residual blocks."""
    stem = (nn.Linear(dimensions, filters, bias=False), nn.BatchNorm1d(filters), nn.ReLU())
    return Trunk(nn.Sequential(*stem, *(ResidualBlock(filters) for _ in range(blocks))), filters)
