"""Residual networks for images without any norm (Huang et al. 2024, R3GAN; Zhang et al. 2019, Fixup).

A block adds to its input, and adds nothing before the first update: the last layer of a block starts at 0.
Widths double with each halving of the side, up to `WIDEST` times the width at the images.
"""

import math

from torch import Tensor, nn

from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.initialisation import initialise
from variants.modules.networks import DCGAN_SIDE, convolution, halvings, leaky_relu

WIDEST = 4


class UnnormalisedBlock(nn.Module):
    """Two 3x3 convolutions with a Leaky ReLU between them, added to the input."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first = convolution(filters, filters)
        self.activation = leaky_relu()
        self.last = convolution(filters, filters)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, filters, S, S) to (B, filters, S, S)."""
        return maps + self.last(self.activation(self.first(maps)))


def _widths(size: int, filters: int) -> list[int]:
    """Return the widths from the side of the images to the smallest side."""
    return [filters * min(1 << stage, WIDEST) for stage in range(halvings(size, DCGAN_SIDE) + 1)]


def residual_trunk(channels: int, size: int, filters: int, blocks: int) -> Trunk:
    """Build the layers of a discriminator: at each side `blocks` blocks, then the mean of 2x2 pixels.

    A 1x1 convolution changes the width after the mean.
    """
    widths = _widths(size, filters)
    layers: list[nn.Module] = [convolution(channels, widths[0], kernel=1)]
    for stage, width in enumerate(widths):
        layers += [UnnormalisedBlock(width) for _ in range(blocks)]
        if stage < len(widths) - 1:
            layers += [nn.AvgPool2d(2), convolution(width, widths[stage + 1], kernel=1)]
    return Trunk(nn.Sequential(*layers), widths[-1] * (size >> len(widths) - 1) ** 2)


def residual_decoder(channels: int, size: int, filters: int, latent_dim: int, blocks: int) -> Decoder:
    """Build the counterpart of :func:`residual_trunk`, which repeats pixels; the images are not bounded."""
    widths = _widths(size, filters)[::-1]
    side = size >> len(widths) - 1
    layers: list[nn.Module] = []
    for stage, width in enumerate(widths):
        layers += [UnnormalisedBlock(width) for _ in range(blocks)]
        if stage < len(widths) - 1:
            layers += [convolution(width, widths[stage + 1], kernel=1), nn.Upsample(scale_factor=2)]
    layers.append(convolution(widths[-1], channels, kernel=1))
    return Decoder(latent_dim, (widths[0], side, side), nn.Sequential(*layers))


def initialise_residual_network(network: nn.Module) -> None:
    """Draw initial weights such that variances stay the same at any depth (Fixup, section 3).

    Of L blocks, the first layer of each has He's deviation over the square root of L, and the last is 0. All
    other layers are linear and have a gain of 1.
    """
    initialise(network, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"))
    blocks = [layer for layer in network.modules() if isinstance(layer, UnnormalisedBlock)]
    # of a Leaky ReLU of slope 0.2
    gain = math.sqrt(2 / (1 + 0.2**2) / max(1, len(blocks)))

    def draw_first(weight: Tensor) -> None:
        nn.init.normal_(weight, std=gain / math.sqrt(weight[0].numel()))

    for block in blocks:
        initialise(block.first, draw_first)
        initialise(block.last, nn.init.zeros_)
