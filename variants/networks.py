"""Networks that the variants share: encoders, decoders and the autoencoders made of them.

An encoder's trunk maps images (B, C, S, S) to flat features; heads turn these into a latent.
A decoder maps a latent (B, latent_dim) to images; a generator is a decoder of its own.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor, nn

Activation = Callable[[], nn.Module]

LOG_VARIANCE_LIMIT = 8.0  # |log sigma^2| beyond this is clamped: exp() stays finite, KL bounded in sigma


def leaky_relu() -> nn.Module:
    """Leaky ReLU of slope 0.2 (v3 paper, equation 22)."""
    return nn.LeakyReLU(0.2)


def halvings_to_eight(size: int) -> int:
    """How often an image's side is halved on the way to 8x8 (7x7 from 28).

    Raises
    ------
    ValueError
        If the side is not 28, 32, 64, 128 or 256 pixels.
    """
    if size not in (28, 32, 64, 128, 256):
        raise ValueError(f"image_size {size} is not possible: allowed are 28, 32, 64, 128, 256")
    return round(math.log2(size)) - 3


class Trunk(nn.Module):
    """An encoder without its head.

    Parameters
    ----------
    layers : nn.Module
        Maps images to feature maps.
    features : int
        Number of features after flattening.
    """

    def __init__(self, layers: nn.Module, features: int) -> None:
        super().__init__()
        self.layers = layers
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, S, S) to (B, features)."""
        return self.layers(images).flatten(1)


class Decoder(nn.Module):
    """A latent, through a linear layer to feature maps, through `layers` to images."""

    def __init__(self, latent_dim: int, maps: tuple[int, int, int], layers: nn.Module) -> None:
        super().__init__()
        self.maps = maps
        self.project = nn.Linear(latent_dim, math.prod(maps))
        self.layers = layers

    def forward(self, latent: Tensor) -> Tensor:
        """Map (B, latent_dim) to images (B, C, S, S)."""
        return self.layers(self.project(latent).unflatten(1, self.maps))


class Encoding(NamedTuple):
    """What an encoder says of images: the latent, (B, latent_dim), and for a VAE its spread."""

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
        The latent to images.
    """

    def __init__(self, trunk: Trunk, latent_dim: int | None, decoder: Decoder) -> None:
        super().__init__()
        self.trunk = trunk
        self.mean = nn.Identity() if latent_dim is None else nn.Linear(trunk.features, latent_dim)
        self.decoder = decoder

    def encode(self, images: Tensor) -> Encoding:
        """Map images to their latents."""
        return Encoding(self.mean(self.trunk(images)))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Everything but the decoder's."""
        decoder = set(self.decoder.parameters())
        return [p for p in self.parameters() if p.requires_grad and p not in decoder]

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct images from the mean of their encoding."""
        return self.decoder(self.encode(images).mean)


class VariationalAutoEncoder(AutoEncoder):
    """An autoencoder whose encoder gives the mean and the logarithm of the variance of z."""

    def __init__(self, trunk: Trunk, latent_dim: int | None, decoder: Decoder) -> None:
        if latent_dim is None:
            raise ValueError("a variational autoencoder needs the size of its latent")
        super().__init__(trunk, latent_dim, decoder)
        self.log_variance = nn.Linear(trunk.features, latent_dim)

    def encode(self, images: Tensor) -> Encoding:
        """Map images to mean and clamped log variance of their latents."""
        features = self.trunk(images)
        log_variance = self.log_variance(features).clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        return Encoding(self.mean(features), log_variance)


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    """A convolution that keeps the side, or halves it at stride 2; even kernels pad below and right."""
    if kernel % 2:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    if stride == 2:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 - 1)
    low = (kernel - 1) // 2
    high = kernel - 1 - low
    return nn.Sequential(nn.ZeroPad2d((low, high, low, high)), nn.Conv2d(inputs, outputs, kernel))


def began_trunk(channels: int, size: int, filters: int, activation: Activation) -> Trunk:
    """Encoder of carpedm20/BEGAN-tensorflow: widths grow by `filters` with each block."""
    halvings = halvings_to_eight(size)
    layers: list[nn.Module] = [convolution(channels, filters), activation()]
    width = filters
    for block in range(halvings + 1):
        wider = filters * (block + 1)
        layers += [convolution(width, wider), activation(), convolution(wider, wider), activation()]
        if block < halvings:
            layers += [convolution(wider, wider, stride=2), activation()]
        width = wider
    return Trunk(nn.Sequential(*layers), width * (size >> halvings) ** 2)


def began_decoder(channels: int, size: int, filters: int, latent_dim: int, activation: Activation) -> Decoder:
    """Decoder and generator of carpedm20/BEGAN-tensorflow: constant width, nearest-neighbour doubling."""
    doublings = halvings_to_eight(size)
    side = size >> doublings
    layers: list[nn.Module] = []
    for block in range(doublings + 1):
        for _ in range(2):
            layers += [convolution(filters, filters), activation()]
        if block < doublings:
            layers.append(nn.Upsample(scale_factor=2))
    layers.append(convolution(filters, channels))
    return Decoder(latent_dim, (filters, side, side), nn.Sequential(*layers))


def constrained_trunk(channels: int, size: int, filters: int, activation: Activation) -> Trunk:
    """Encoder of chang810249/BEGAN-CS: each block widens by `filters` before it halves the side."""
    halvings = halvings_to_eight(size)
    layers: list[nn.Module] = [convolution(channels, filters), activation()]
    width = filters
    for _ in range(halvings):
        layers += [convolution(width, width), activation(), convolution(width, width + filters), activation()]
        width += filters
        layers += [convolution(width, width, stride=2), activation()]
    for _ in range(2):
        layers += [convolution(width, width), activation()]
    return Trunk(nn.Sequential(*layers), width * (size >> halvings) ** 2)


def constrained_decoder(
    channels: int, size: int, filters: int, latent_dim: int, activation: Activation
) -> Decoder:
    """Decoder and generator of chang810249/BEGAN-CS: 1x1 convolutions widen before each doubling."""
    doublings = halvings_to_eight(size)
    side = size >> doublings
    layers: list[nn.Module] = []
    width = filters
    for block in range(doublings + 1):
        layers += [convolution(width, filters), activation(), convolution(filters, filters), activation()]
        if block < doublings:
            width = 2 * filters
            layers += [convolution(filters, width, kernel=1), activation(), nn.Upsample(scale_factor=2)]
    layers.append(convolution(filters, channels))
    return Decoder(latent_dim, (filters, side, side), nn.Sequential(*layers))


def table3_trunk(channels: int, size: int, filters: int, activation: Activation) -> Trunk:
    """An encoder of 1x1 and 4x4 convolutions that has the v3 paper's parameter count: a conjecture."""
    halvings = halvings_to_eight(size)
    base = max(1, filters // 2)
    layers: list[nn.Module] = [convolution(channels, base, kernel=1), activation()]
    width = base
    for block in range(halvings):
        wider = base * (block + 1)
        layers += [convolution(width, wider, kernel=1), activation()]
        layers += [convolution(wider, wider, kernel=4), activation()]
        layers += [convolution(wider, wider, kernel=4, stride=2), activation()]
        width = wider
    layers += [convolution(width, base * (halvings + 1), kernel=1), activation()]
    return Trunk(nn.Sequential(*layers), base * (halvings + 1) * (size >> halvings) ** 2)


def table3_decoder(
    channels: int, size: int, filters: int, latent_dim: int, activation: Activation
) -> Decoder:
    """The decoder and generator that go with :func:`table3_trunk`."""
    doublings = halvings_to_eight(size)
    side = size >> doublings
    layers: list[nn.Module] = []
    for _ in range(doublings):
        layers += [convolution(filters, filters, kernel=4), activation()]
        layers += [convolution(filters, filters, kernel=4), activation()]
        layers += [nn.Upsample(scale_factor=2), convolution(filters, filters, kernel=4), activation()]
    layers += [
        convolution(filters, filters, kernel=4),
        activation(),
        convolution(filters, channels, kernel=1),
    ]
    return Decoder(latent_dim, (filters, side, side), nn.Sequential(*layers))


def transposed_decoder(
    channels: int,
    size: int,
    filters: int,
    latent_dim: int,
    activation: Activation = nn.ReLU,
    bounded: bool = True,
    normalise: bool = True,
) -> Decoder:
    """Transposed convolutions that halve the width as they double the side, with or without batch norm.

    At 64 px and `filters` 64: 512x4x4, then four times [batch norm, activation, 4x4 transposed
    convolution of stride 2] to 256, 128, 64 and `channels`, then tanh where `bounded` (the thesis's
    decoder, DCGAN's generator). Unless `normalise`, the batch norms are left out.
    """
    doublings = halvings_to_eight(size) + (size != 28)
    side = size >> doublings
    width = filters << (doublings - 1)
    maps = (width, side, side)
    layers: list[nn.Module] = []
    for block in range(doublings):
        narrower = channels if block == doublings - 1 else width // 2
        if normalise:
            layers.append(nn.BatchNorm2d(width))
        layers += [activation(), nn.ConvTranspose2d(width, narrower, 4, stride=2, padding=1)]
        width = narrower
    if bounded:
        layers.append(nn.Tanh())
    return Decoder(latent_dim, maps, nn.Sequential(*layers))


def strided_trunk(channels: int, size: int, filters: int, activation: Activation, normalise: bool) -> Trunk:
    """DCGAN's discriminator: 4x4 convolutions of stride 2 that double the width.

    Batch norm, where wanted, follows every convolution but the first.
    """
    halvings = halvings_to_eight(size) + (size != 28)
    layers: list[nn.Module] = []
    width = channels
    for block in range(halvings):
        wider = filters << block
        layers.append(convolution(width, wider, kernel=4, stride=2))
        if normalise and block > 0:
            layers.append(nn.BatchNorm2d(wider))
        layers.append(activation())
        width = wider
    return Trunk(nn.Sequential(*layers), width * (size >> halvings) ** 2)


@contextmanager
def statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch norm use each batch's statistics without moving its running ones."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def arrange(
    discriminator: type[AutoEncoder],
    layers: str,
    sample_shape: tuple[int, ...],
    filters: int,
    latent_dim: int,
    activation: Activation,
    generator_norm: str = "batch",
) -> tuple[AutoEncoder, Decoder]:
    """Build the discriminator and the generator of a named arrangement of layers.

    Parameters
    ----------
    discriminator : type[AutoEncoder]
        Plain or variational.
    layers : str
        ``began``, ``constrained`` and ``table3`` are the published ones; ``strided`` is a small one of
        DCGAN's kind, with batch norm in encoder, decoder and generator, whose work sits at low
        resolution: for runs of minutes on a CPU.
    sample_shape : tuple of int
        (C, S, S).
    filters, latent_dim : int
        Base width and size of the latent.
    activation : callable
        Makes the activation modules.
    generator_norm : {"batch", "none"}
        ``none`` leaves the batch norm out of the ``strided`` generator, and of no other part.

    Returns
    -------
    tuple
        The discriminator and the generator.

    Raises
    ------
    ValueError
        If the norm is to be left out of layers that have none.
    """
    channels, size, _ = sample_shape
    if generator_norm == "none" and layers != "strided":
        raise ValueError("generator_norm 'none' needs layers 'strided': the others have no norm to leave out")
    if layers == "strided":
        trunk = strided_trunk(channels, size, filters, activation, normalise=True)
        decoder = transposed_decoder(channels, size, filters, latent_dim, activation, bounded=False)
        normalise = generator_norm == "batch"
        generator = transposed_decoder(channels, size, filters, latent_dim, activation, normalise=normalise)
    else:
        build_trunk, build_decoder = {
            "began": (began_trunk, began_decoder),
            "constrained": (constrained_trunk, constrained_decoder),
            "table3": (table3_trunk, table3_decoder),
        }[layers]
        trunk = build_trunk(channels, size, filters, activation)
        decoder, generator = (
            build_decoder(channels, size, filters, latent_dim, activation) for _ in range(2)
        )
    return discriminator(trunk, latent_dim, decoder), generator
