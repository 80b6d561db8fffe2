"""Encoders, decoders and autoencoders, with any layers.

The trunk of an encoder maps samples, images (B, C, S, S) or points (B, N), to flat features; heads map the
features to a latent. A decoder maps a latent (B, latent_dim) to samples. A generator is a decoder too.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from variants.modules.activation_checkpointing import CheckpointedModule

# log sigma^2 is clamped to +- this value: exp() stays finite, and sigma contributes a bounded KL
LOG_VARIANCE_LIMIT = 8.0


def in_float32(values: Tensor) -> Tensor:
    """Convert bfloat16 outputs of mixed precision to float32 for the losses; return others unchanged."""
    return values.float() if values.dtype == torch.bfloat16 else values


class Trunk(CheckpointedModule):
    """An encoder without its head.

    Parameters
    ----------
    layers : nn.Module
        Map images to feature maps, or points to features.
    features : int
        Number of features after flattening.
    """

    def __init__(self, layers: nn.Module, features: int) -> None:
        super().__init__()
        self.layers = layers
        self.features = features

    def forward(self, samples: Tensor) -> Tensor:
        """Map samples (B, ...) to (B, features)."""
        return self.run_layers(self.layers, samples).flatten(1)


class Decoder(CheckpointedModule):
    """Map a latent by a linear layer to features, and by `layers` to samples.

    Parameters
    ----------
    latent_dim : int
        Size of the latent.
    maps : tuple of int
        Shape of the features: (width, side, side) for images, (width,) for points.
    layers : nn.Sequential
        Map the features to samples.
    """

    def __init__(self, latent_dim: int, maps: tuple[int, ...], layers: nn.Sequential) -> None:
        super().__init__()
        self.maps = maps
        self.project = nn.Linear(latent_dim, math.prod(maps))
        self.layers = layers

    def forward(self, latent: Tensor) -> Tensor:
        """Map (B, latent_dim) to samples (B, ...)."""
        return in_float32(self.run_layers(self.layers, self.project(latent).unflatten(1, self.maps)))


class Encoding(NamedTuple):
    """Outputs of an encoder.

    Attributes
    ----------
    mean : Tensor
        The latent, or its mean for a variational encoder, (B, latent_dim).
    log_variance : Tensor or None
        log sigma^2 of the latent for a variational encoder, (B, latent_dim).
    """

    mean: Tensor
    log_variance: Tensor | None = None

    def rows(self, start: int, stop: int) -> "Encoding":
        """Return the encodings of samples `start` to `stop` - 1."""
        log_variance = None if self.log_variance is None else self.log_variance[start:stop]
        return Encoding(self.mean[start:stop], log_variance)


class AutoEncoder(nn.Module):
    """A discriminator that reconstructs samples: D(v) = decoder(mean(trunk(v))).

    Parameters
    ----------
    trunk : Trunk
        The encoder without its head.
    latent_dim : int or None
        Size of the latent; None uses the features of the trunk as latent.
    decoder : Decoder
        Maps the latent to samples.
    """

    def __init__(self, trunk: Trunk, latent_dim: int | None, decoder: Decoder) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = nn.Identity() if latent_dim is None else nn.Linear(trunk.features, latent_dim)
        self.decoder = decoder

    def encode(self, samples: Tensor) -> Encoding:
        """Map samples (B, ...) to latents."""
        return Encoding(in_float32(self.mean(self.trunk(samples))))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return all trainable parameters but those of the decoder."""
        decoder = set(self.decoder.parameters())
        return [p for p in self.parameters() if p.requires_grad and p not in decoder]

    def forward(self, samples: Tensor) -> Tensor:
        """Reconstruct samples (B, ...) from the mean of their encodings."""
        return self.decoder(self.encode(samples).mean)


class VariationalAutoEncoder(AutoEncoder):
    """An autoencoder whose encoder returns the mean and the log variance of z."""

    def __init__(self, trunk: Trunk, latent_dim: int | None, decoder: Decoder) -> None:
        if latent_dim is None:
            raise ValueError("a variational autoencoder needs the size of its latent")
        super().__init__(trunk, latent_dim, decoder)
        self.log_variance = nn.Linear(trunk.features, latent_dim)

    def encode(self, samples: Tensor) -> Encoding:
        """Map samples (B, ...) to mean and clamped log variance of their latents."""
        features = self.trunk(samples)
        log_variance = in_float32(self.log_variance(features))
        return Encoding(
            in_float32(self.mean(features)), log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        )
