"""1x1 convolutions with a stride for few channels, computed so that oneDNN cannot write past a buffer.

For the gradient of the weights oneDNN (``jit_1x1``) copies the pixels that the stride keeps to a workspace.
Where the layout is channels last and the channels do not fill a vector of the processor it finds its place
there with the width of the vector, and writes past the end: docs/upstream/onednn-strided-1x1.md. At stride 1
it makes no copy, whatever the processor, the layout and the width.
"""

import torch
from torch import Tensor, nn

VECTOR = 16  # float32 numbers in the widest vector, AVX-512's


class StridedPointwise(nn.Conv2d):
    """A 1x1 convolution of the pixels that its stride keeps; equal to torch's but for rounding."""

    @classmethod
    def of(cls, layer: nn.Conv2d) -> "StridedPointwise":
        """Make one of a layer's parameters themselves."""
        down, across = layer.stride
        with torch.device("meta"):
            made = cls(layer.in_channels, layer.out_channels, 1, (down, across), bias=layer.bias is not None)
        made.weight, made.bias = layer.weight, layer.bias
        return made

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, S, S) to (B, N, S / stride, S / stride), sides rounded up."""
        # the mean of one pixel: unlike a slice's, its gradient keeps the layout
        kept = nn.functional.avg_pool2d(maps, 1, self.stride)
        return nn.functional.conv2d(kept, self.weight, self.bias)


def replace_strided_pointwise(network: nn.Module) -> None:
    """Put a :class:`StridedPointwise` in place of every 1x1 convolution with a stride and few channels."""
    for module in list(network.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, nn.Conv2d) and overruns(layer):
                setattr(module, name, StridedPointwise.of(layer))


def overruns(layer: nn.Conv2d) -> bool:
    """Whether the gradient of a layer's weights may be written past a buffer."""
    strided = layer.kernel_size == (1, 1) and layer.stride != (1, 1) and layer.padding == (0, 0)
    return (
        strided
        and layer.groups == 1
        and layer.in_channels < VECTOR
        and not isinstance(layer, StridedPointwise)
    )
