"""Strided 1x1 convolutions with few input channels, kept away from a faulty oneDNN kernel.

oneDNN computes the weight gradient of a strided 1x1 convolution from a copy of the pixels that the stride
selects (``jit_1x1``). In channels_last layout, the offset into that copy is wrong when the input channels are
fewer than the lanes of a vector, and the kernel writes past the end of the buffer
(docs/upstream/onednn-strided-1x1.md). A convolution with stride 1 makes no such copy, whatever the processor,
the layout and the number of channels. So the pixels are selected first and convolved with stride 1.
"""

import torch
from torch import Tensor, nn

VECTOR = 16  # float32 lanes of the widest vector (AVX-512)


class StridedPointwise(nn.Conv2d):
    """A strided 1x1 convolution: selects pixels, then convolves them with stride 1."""

    @classmethod
    def of(cls, layer: nn.Conv2d) -> "StridedPointwise":
        """Return a convolution that shares the parameters of `layer`."""
        down, across = layer.stride
        with torch.device("meta"):
            made = cls(layer.in_channels, layer.out_channels, 1, (down, across), bias=layer.bias is not None)
        made.weight, made.bias = layer.weight, layer.bias
        return made

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, N, ceil(H / stride), ceil(W / stride))."""
        # a 1x1 mean selects pixels, and its gradient stays channels_last; the gradient of a slice does not
        selected = nn.functional.avg_pool2d(maps, 1, self.stride)
        return nn.functional.conv2d(selected, self.weight, self.bias)


def replace_strided_pointwise(network: nn.Module) -> None:
    """Replace each convolution that :func:`overruns` by a :class:`StridedPointwise`."""
    for module in list(network.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, nn.Conv2d) and overruns(layer):
                setattr(module, name, StridedPointwise.of(layer))


def overruns(layer: nn.Conv2d) -> bool:
    """Return whether oneDNN may write past a buffer when it computes the weight gradient of `layer`."""
    strided = layer.kernel_size == (1, 1) and layer.stride != (1, 1) and layer.padding == (0, 0)
    narrow = layer.groups == 1 and layer.in_channels < VECTOR
    return strided and narrow and not isinstance(layer, StridedPointwise)
