"""Networks of linear layers for images: every layer sees all pixels."""

import math

from torch import nn

from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.networks import Activation, relu


def dense_trunk(channels: int, size: int, width: int, activation: Activation) -> Trunk:
    """Build two hidden layers of `width` units from images (B, channels, size, size)."""
    layers = (nn.Flatten(), nn.Linear(channels * size**2, width), activation(), nn.Linear(width, width))
    return Trunk(nn.Sequential(*layers, activation()), width)


def dense_decoder(sample_shape: tuple[int, ...], width: int, latent_dim: int) -> Decoder:
    """Build two hidden layers of `width` units from latents (B, latent_dim) to images, then tanh."""
    layers = (relu(), nn.Linear(width, width), relu(), nn.Linear(width, math.prod(sample_shape)), nn.Tanh())
    return Decoder(latent_dim, (width,), nn.Sequential(*layers, nn.Unflatten(1, sample_shape)))
