"""Encoders, decoders and the autoencoders made of them, whatever their layers are.

An encoder's trunk maps samples, images (B, C, S, S) or points (B, N), to flat features; heads turn
these into a latent. A decoder maps a latent (B, latent_dim) to samples; a generator is a decoder of
its own.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from variants.modules.recomputation import Recomputed

LOG_VARIANCE_LIMIT = 8.0  # |log sigma^2| beyond this is clamped: exp() stays finite, KL bounded in sigma


def in_float32(values: Tensor) -> Tensor:
    """What mixed precision made bfloat16, as float32: losses are computed in it. All else stays as it is."""
    return values.float() if values.dtype == torch.bfloat16 else values


class Trunk(Recomputed):
    """An encoder without its head.

    Parameters
    ----------
    layers : nn.Module
        Maps images to feature maps, or points to features.
    features : int
        Number of features after flattening.
    """

    def __init__(self, layers: nn.Module, features: int) -> None:
        super().__init__()
        self.layers = layers
        self.features = features

    def forward(self, samples: Tensor) -> Tensor:
        """Map samples (B, ...) to (B, features)."""
        return self.through(self.layers, samples).flatten(1)


class Decoder(Recomputed):
    """A latent, through a linear layer to features, through `layers` to samples.

    Parameters
    ----------
    latent_dim : int
        Size of the latent.
    maps : tuple of int
        Shape of the features: (width, side, side) on the way to images, (width,) to points.
    layers : nn.Sequential
        Maps the features to samples.
    """

    def __init__(self, latent_dim: int, maps: tuple[int, ...], layers: nn.Sequential) -> None:
        super().__init__()
        self.maps = maps
        self.project = nn.Linear(latent_dim, math.prod(maps))
        self.layers = layers

    def forward(self, latent: Tensor) -> Tensor:
        """Map (B, latent_dim) to samples (B, ...)."""
        return in_float32(self.through(self.layers, self.project(latent).unflatten(1, self.maps)))


class Encoding(NamedTuple):
    """What an encoder says of samples: the latent, (B, latent_dim), and for a VAE its spread."""

    mean: Tensor
    log_variance: Tensor | None = None

    def half(self, start: int, stop: int) -> "Encoding":
        """The rows from `start` to `stop`."""
        spread = None if self.log_variance is None else self.log_variance[start:stop]
        return Encoding(self.mean[start:stop], spread)


class AutoEncoder(nn.Module):
    """A discriminator that reconstructs, D(v) = decoder(mean(trunk(v))).

    Parameters
    ----------
    trunk : Trunk
        The encoder without its head.
    latent_dim : int or None
        Size of the latent; None takes the trunk's features themselves for it.
    decoder : Decoder
        The latent to samples.
    """

    def __init__(self, trunk: Trunk, latent_dim: int | None, decoder: Decoder) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = nn.Identity() if latent_dim is None else nn.Linear(trunk.features, latent_dim)
        self.decoder = decoder

    def encode(self, samples: Tensor) -> Encoding:
        """Map samples to their latents."""
        return Encoding(in_float32(self.mean(self.trunk(samples))))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Everything but the decoder's."""
        decoder = set(self.decoder.parameters())
        return [p for p in self.parameters() if p.requires_grad and p not in decoder]

    def forward(self, samples: Tensor) -> Tensor:
        """Reconstruct samples from the mean of their encoding."""
        return self.decoder(self.encode(samples).mean)


class VariationalAutoEncoder(AutoEncoder):
    """An autoencoder whose encoder gives the mean and the logarithm of the variance of z."""

    def __init__(self, trunk: Trunk, latent_dim: int | None, decoder: Decoder) -> None:
        if latent_dim is None:
            raise ValueError("a variational autoencoder needs the size of its latent")
        super().__init__(trunk, latent_dim, decoder)
        self.log_variance = nn.Linear(trunk.features, latent_dim)

    def encode(self, samples: Tensor) -> Encoding:
        """Map samples to mean and clamped log variance of their latents."""
        features = self.trunk(samples)
        log_variance = in_float32(self.log_variance(features))
        return Encoding(
            in_float32(self.mean(features)), log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        )
