"""Networks for images that variants share: trunks of encoders, decoders and generators."""

from collections.abc import Callable

from torch import nn

from variants.modules.autoencoders import Decoder, Trunk
from variants.modules.narrow_convolution import doubling_convolution
from variants.modules.self_attention import SelfAttention

Activation = Callable[[], nn.Module]


# Activations work in place, which halves the memory: no layer before them needs its output for its gradient.


def elu() -> nn.Module:
    """Return an ELU, as in the programs of BEGAN and BEGAN-CS."""
    return nn.ELU(inplace=True)


def relu() -> nn.Module:
    """Return a ReLU."""
    return nn.ReLU(inplace=True)


def leaky_relu() -> nn.Module:
    """Return a Leaky ReLU of slope 0.2 (v3 paper, equation 22)."""
    return nn.LeakyReLU(0.2, inplace=True)


SMALLEST_SIZE, LARGEST_SIZE = 16, 1024
# at the low end of the networks, in pixels; 8 of the published sizes, 7 of 28
SMALLEST_SIDE, LARGEST_SIDE = 5, 15
DCGAN_SIDE = 4


def halvings(size: int, least: int = SMALLEST_SIDE) -> int:
    """Return how often the side of an image is halved: as long as it is even and no half is below `least`.

    The published sizes 64 and 128 are halved to 8, 28 to 7, 48 to 6, 36 to 9.

    Raises
    ------
    ValueError
        If the size is not 16 to 1024 pixels, or is no odd number up to 15 times a power of two; the message
        has the nearest sizes.
    """
    side, count = size, 0
    while side % 2 == 0 and side // 2 >= least:
        side, count = side // 2, count + 1
    if not _is_possible(size):
        below = next((each for each in range(min(size, LARGEST_SIZE), 0, -1) if _is_possible(each)), None)
        above = next((each for each in range(size, LARGEST_SIZE + 1) if _is_possible(each)), None)
        nearest = " and ".join(str(each) for each in (below, above) if each is not None)
        verb = "is" if None in (below, above) else "are"
        raise ValueError(
            f"image_size {size} is not possible, nearest {verb} {nearest} (allowed are {SMALLEST_SIZE} to "
            f"{LARGEST_SIZE} pixels, an odd number up to {LARGEST_SIDE} times a power of two)"
        )
    return count


def _is_possible(size: int) -> bool:
    odd = size // (size & -size)
    return SMALLEST_SIZE <= size <= LARGEST_SIZE and odd <= LARGEST_SIDE


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    """Return a convolution that keeps the side, or halves it at stride 2; even kernels pad bottom right."""
    if kernel % 2:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    if stride == 2:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2 - 1)
    low = (kernel - 1) // 2
    high = kernel - 1 - low
    return nn.Sequential(nn.ZeroPad2d((low, high, low, high)), nn.Conv2d(inputs, outputs, kernel))


def began_trunk(channels: int, size: int, filters: int, activation: Activation) -> Trunk:
    """Build the encoder of carpedm20/BEGAN-tensorflow: each block is wider by `filters`."""
    count = halvings(size)
    layers: list[nn.Module] = [convolution(channels, filters), activation()]
    width = filters
    for block in range(count + 1):
        wider = filters * (block + 1)
        layers += [convolution(width, wider), activation(), convolution(wider, wider), activation()]
        if block < count:
            layers += [convolution(wider, wider, stride=2), activation()]
        width = wider
    return Trunk(nn.Sequential(*layers), width * (size >> count) ** 2)


def began_decoder(channels: int, size: int, filters: int, latent_dim: int, activation: Activation) -> Decoder:
    """Build the decoder of carpedm20/BEGAN-tensorflow: constant width, nearest-neighbour upsampling."""
    doublings = halvings(size)
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
    """Build the encoder of chang810249/BEGAN-CS: each block widens by `filters`, then halves the side."""
    count = halvings(size)
    layers: list[nn.Module] = [convolution(channels, filters), activation()]
    width = filters
    for _ in range(count):
        layers += [convolution(width, width), activation(), convolution(width, width + filters), activation()]
        width += filters
        layers += [convolution(width, width, stride=2), activation()]
    for _ in range(2):
        layers += [convolution(width, width), activation()]
    return Trunk(nn.Sequential(*layers), width * (size >> count) ** 2)


def constrained_decoder(
    channels: int, size: int, filters: int, latent_dim: int, activation: Activation
) -> Decoder:
    """Build the decoder of chang810249/BEGAN-CS: 1x1 convolutions double the width before upsampling."""
    doublings = halvings(size)
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
    """Build an encoder of 1x1 and 4x4 convolutions with the v3 paper's parameter count (a conjecture)."""
    count = halvings(size)
    base = max(1, filters // 2)
    layers: list[nn.Module] = [convolution(channels, base, kernel=1), activation()]
    width = base
    for block in range(count):
        wider = base * (block + 1)
        layers += [convolution(width, wider, kernel=1), activation()]
        layers += [convolution(wider, wider, kernel=4), activation()]
        layers += [convolution(wider, wider, kernel=4, stride=2), activation()]
        width = wider
    layers += [convolution(width, base * (count + 1), kernel=1), activation()]
    return Trunk(nn.Sequential(*layers), base * (count + 1) * (size >> count) ** 2)


def table3_decoder(
    channels: int, size: int, filters: int, latent_dim: int, activation: Activation
) -> Decoder:
    """Build the decoder that belongs to :func:`table3_trunk`."""
    doublings = halvings(size)
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
    activation: Activation = relu,
    bounded: bool = True,
    normalise: bool = True,
    attention_at: int = 0,
) -> Decoder:
    """Build a decoder of transposed convolutions that halve the width and double the side (DCGAN, thesis).

    At 64 px and `filters` 64: 512x4x4, then four times [batch norm, activation, 4x4 transposed convolution
    of stride 2] to 256, 128, 64 and `channels` maps, then tanh if `bounded`. Without `normalise`, there is no
    batch norm. Maps of the side `attention_at` have self-attention.
    """
    doublings = halvings(size, DCGAN_SIDE)
    side = size >> doublings
    width = filters << (doublings - 1)
    maps = (width, side, side)
    layers: list[nn.Module] = []
    for block in range(doublings):
        narrower = channels if block == doublings - 1 else width // 2
        if normalise:
            layers.append(nn.BatchNorm2d(width))
        layers.append(activation())
        if side << block == attention_at:
            layers.append(SelfAttention(width))
        layers.append(doubling_convolution(width, narrower))
        width = narrower
    if bounded:
        layers.append(nn.Tanh())
    return Decoder(latent_dim, maps, nn.Sequential(*layers))


def strided_trunk(
    channels: int,
    size: int,
    filters: int,
    activation: Activation,
    normalise: bool,
    attention_at: int = 0,
) -> Trunk:
    """Build the layers of DCGAN's discriminator: 4x4 convolutions of stride 2 that double the width.

    With `normalise`, batch norm follows every convolution but the first. Maps of the side `attention_at` have
    self-attention.
    """
    count = halvings(size, DCGAN_SIDE)
    layers: list[nn.Module] = []
    width = channels
    for block in range(count):
        wider = filters << block
        layers.append(convolution(width, wider, kernel=4, stride=2))
        if normalise and block > 0:
            layers.append(nn.BatchNorm2d(wider))
        layers.append(activation())
        if size >> (block + 1) == attention_at:
            layers.append(SelfAttention(wider))
        width = wider
    return Trunk(nn.Sequential(*layers), width * (size >> count) ** 2)
