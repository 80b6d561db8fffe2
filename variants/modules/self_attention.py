"""Self-attention between all positions of feature maps (Zhang et al. 2019)."""

import torch
from torch import Tensor, nn

REDUCTION = 8  # of the channels of queries and keys
LARGEST_ATTENDED = 32  # side of maps, in pixels: the cost grows with its fourth power


class SelfAttention(nn.Module):
    """Adds to each position a mixture of all positions: x + gamma v(sum over i of beta_ji h(x_i)).

    The weights beta_ji are the softmax over i of f(x_i) . g(x_j) (SAGAN, equations 1 to 3). f and g have an
    eighth of the channels, h half of them, as in the authors' program. gamma is a parameter that starts at 0:
    maps pass unchanged at first.

    Parameters
    ----------
    channels : int
        Channels of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(1, channels // REDUCTION), max(1, channels // 2)
        self.f = nn.Conv2d(channels, narrow, 1)
        self.g = nn.Conv2d(channels, narrow, 1)
        self.h = nn.Conv2d(channels, half, 1)
        self.v = nn.Conv2d(half, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, channels, S, S) to the same shape."""
        keys, queries, values = (layer(maps).flatten(2) for layer in (self.f, self.g, self.h))
        weights = (queries.transpose(1, 2) @ keys).softmax(dim=2)
        mixed = (values @ weights.transpose(1, 2)).unflatten(2, maps.shape[2:])
        return maps + self.gamma * self.v(mixed)


def attended_side(size: int) -> int:
    """Return the side of the maps that have self-attention, for images of `size` pixels.

    The largest side below the image's own that halvings reach, and 32 at most: 32 of 64 and of 128, 16 of 32,
    14 of 28.
    """
    side = size // 2
    while side > LARGEST_ATTENDED:
        side //= 2
    return side
