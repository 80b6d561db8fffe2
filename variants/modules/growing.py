"""Networks that grow with training from their smallest side to the whole one (Karras et al. 2018).

A network of n blocks first makes, or sees, images of the smallest side. Then the blocks are added one after
the other: each is faded in, and the network goes on with all of its weight before the next one comes.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from variants.modules.activation_checkpointing import CheckpointedModule
from variants.modules.autoencoders import in_float32
from variants.modules.equalised import EqualisedConvolution, EqualisedLinear
from variants.modules.networks import DCGAN_SIDE, halvings

SLOPE = 0.2  # of Leaky ReLU
MOST_CHANNELS = 512  # of a layer, unless the last one is wider still (table 2)


class Growth(nn.Module):
    """How many blocks of a network are there, and the weight of the last of them.

    The numbers are buffers, which are saved and which the moving average copies. A network in training mode
    computes the blocks that are there and no others: it knows their number without reading a tensor.

    Parameters
    ----------
    most : int
        Blocks of the whole network.
    """

    blocks: Tensor
    fade: Tensor

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.register_buffer("blocks", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fade", torch.ones(()))
        self.count, self.is_fading = 0, False

    def follow(self, share: float) -> None:
        """Grow to a share, 0 to 1, of the time of growth.

        The time has 2 `most` equal spans: blocks fade in during the second, the fourth and so on.
        """
        spans = min(share, 1.0) * 2 * self.most
        waiting, position = divmod(spans, 2)
        self.is_fading = position > 1
        self.count = int(waiting) + self.is_fading
        self.blocks.fill_(self.count)
        self.fade.fill_(position - 1 if self.is_fading else 1.0)

    def weight(self, block: int) -> Tensor:
        """Return the weight of a block, 0 to 1, from the buffers."""
        last = self.blocks - 1
        return torch.where(last > block, 1.0, torch.where(last == block, self.fade, 0.0))


def doubled(maps: Tensor, factor: int = 2) -> Tensor:
    """Return maps (B, C, S, S) with each pixel as a square of `factor` pixels."""
    return maps if factor == 1 else interpolate(maps, scale_factor=factor, mode="nearest")


class PixelNorm(nn.Module):
    """Divides the features of each pixel by their root mean square (section 4.2)."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C) or (B, C, S, S) to the same shape."""
        return features * (features.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class GrowingNetwork(CheckpointedModule):
    """Sides and widths of a growing network: `filters` channels at the whole side, twice as many at its half.

    Parameters
    ----------
    size : int
        Side of whole images.
    filters : int
        Channels at the whole side.
    """

    def __init__(self, size: int, filters: int) -> None:
        super().__init__()
        self.size = size
        self.growth = Growth(halvings(size, DCGAN_SIDE))
        most = self.growth.most
        self.sides = [size >> (most - blocks) for blocks in range(most + 1)]
        self.widths = [min(filters * size // side, max(filters, MOST_CHANNELS)) for side in self.sides]


class GrowingGenerator(GrowingNetwork):
    """Maps latents to images: pixel norm after every convolution, each block doubles the side.

    Images of a network that has not grown to the end are enlarged to the whole side. In eval mode all blocks
    are computed, and absent ones have the weight 0: an exported program has no branches.

    Parameters
    ----------
    channels, size, filters
        Channels and side of images, and channels of the last block.
    latent_dim : int
        Width of latents, which are scaled to the same length.
    """

    def __init__(self, channels: int, size: int, filters: int, latent_dim: int) -> None:
        super().__init__(size, filters)
        side, width = self.sides[0], self.widths[0]
        self.first = nn.Sequential(
            PixelNorm(),
            EqualisedLinear(latent_dim, width * side**2),
            nn.Unflatten(1, (width, side, side)),
            nn.LeakyReLU(SLOPE),
            PixelNorm(),
            *_normed(width, width),
        )
        pairs = zip(self.widths, self.widths[1:], strict=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), *_normed(wide, narrow), *_normed(narrow, narrow))
            for wide, narrow in pairs
        )
        self.to_image = nn.ModuleList(
            EqualisedConvolution(width, channels, 1, gain=1.0) for width in self.widths
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Map (B, latent_dim) to images (B, C, S, S) of the whole side."""
        maps = self.first(latent)
        return in_float32(self._there(maps) if self.training else self._all(maps))

    def _there(self, maps: Tensor) -> Tensor:
        count, below = self.growth.count, maps
        for block in self.blocks[:count]:
            below, maps = maps, self.run_layers(block, maps)
        image = self.to_image[count](maps)
        if self.growth.is_fading:
            image = torch.lerp(doubled(self.to_image[count - 1](below)), image, self.growth.fade)
        return doubled(image, self.size // self.sides[count])

    def _all(self, maps: Tensor) -> Tensor:
        image = self.to_image[0](maps)
        for number, (block, to_image) in enumerate(zip(self.blocks, self.to_image[1:], strict=True)):
            maps = self.run_layers(block, maps)
            image = torch.lerp(doubled(image), to_image(maps), self.growth.weight(number))
        return image


class GrowingDiscriminator(GrowingNetwork):
    """Maps images to scores; each block halves the side.

    Parameters
    ----------
    channels, size, filters
        Channels and side of images, and channels of the first layer.
    statistics : nn.Module or None
        Appends maps to the smallest maps.
    appended : int
        Number of maps that it appends.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        filters: int,
        statistics: nn.Module | None = None,
        appended: int = 0,
    ) -> None:
        super().__init__(size, filters)
        self.from_image = nn.ModuleList(
            nn.Sequential(EqualisedConvolution(channels, width, 1), nn.LeakyReLU(SLOPE))
            for width in self.widths
        )
        pairs = zip(self.widths, self.widths[1:], strict=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(*_rectified(narrow, narrow), *_rectified(narrow, wide), nn.AvgPool2d(2))
            for wide, narrow in pairs
        )
        side, width = self.sides[0], self.widths[0]
        self.last = nn.Sequential(
            nn.Identity() if statistics is None else statistics,
            *_rectified(width + appended, width),
            nn.Flatten(),
            EqualisedLinear(width * side**2, width),
            nn.LeakyReLU(SLOPE),
            EqualisedLinear(width, 1, gain=1.0),
        )

    def reduced(self, images: Tensor) -> Tensor:
        """Return images (B, C, S, S) at the side that the network has now, by averages of squares."""
        factor = images.shape[2] // self.sides[self.growth.count]
        return images if factor == 1 else avg_pool2d(images, factor)

    def faded(self, images: Tensor) -> Tensor:
        """Return reduced images; while a block fades in mixed with coarser ones, as generated images are."""
        images = self.reduced(images)
        if not self.growth.is_fading:
            return images
        return torch.lerp(doubled(avg_pool2d(images, 2)), images, self.growth.fade)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, C, S, S), of the side that the network has now or of a multiple, to scores (B,)."""
        count = self.growth.count
        images = self.reduced(images)
        maps = self.from_image[count](images)
        for number in reversed(range(count)):
            maps = self.run_layers(self.blocks[number], maps)
            if self.growth.is_fading and number == count - 1:
                maps = torch.lerp(self.from_image[number](avg_pool2d(images, 2)), maps, self.growth.fade)
        return in_float32(self.last(maps)).squeeze(1)


def _rectified(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return EqualisedConvolution(inputs, outputs, 3), nn.LeakyReLU(SLOPE)


def _normed(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return *_rectified(inputs, outputs), PixelNorm()
