"""The transposed convolution that doubles a side, fast on a CPU even with the few channels of an image.

oneDNN's transposed convolution of 4x4 kernels runs at a fraction of the processor's speed if it has one to
three output channels. For so few channels the same sums are computed by a 2x2 convolution with four times as
many output channels, one for each pixel of a 2x2 block of the result.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

NARROW = 3  # maximum number of output channels for which the 2x2 convolution is faster


def doubling_convolution(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Build a 4x4 transposed convolution, stride 2, padding 1: (B, inputs, S, S) to (B, outputs, 2S, 2S)."""
    kind = NarrowDoubling if outputs <= NARROW else nn.ConvTranspose2d
    return kind(inputs, outputs, 4, stride=2, padding=1)


class NarrowDoubling(nn.ConvTranspose2d):
    """A transposed convolution for few output channels; equals torch's up to rounding."""

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (B, C, S, S) to (B, N, 2S, 2S)."""
        if maps.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(maps, output_size)
        return _Doubling.apply(maps, self.weight, self.bias)


class _Context(Protocol):
    """The context that torch passes to an autograd function, which torch's stubs do not type."""

    saved_tensors: tuple[Tensor, Tensor]
    needs_input_grad: tuple[bool, bool, bool]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Doubling(torch.autograd.Function):
    """Forward pass as a 2x2 convolution; backward pass by torch, which is fast already."""

    @staticmethod
    def forward(ctx: _Context, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return doubled(maps, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        of_maps, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradient.to(maps.dtype)
        gradients = torch.ops.aten.convolution_backward(
            gradient, maps, weight.to(maps.dtype), [weight.shape[1]], [2, 2], [1, 1], [1, 1], True, [0, 0], 1,
            [of_maps, of_weight, of_bias],
        )  # fmt: skip
        return tuple(gradients)


def doubled(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute the transposed convolution, without gradients: (B, C, S, S) to (B, N, 2S, 2S).

    With p = x[j-1] and q = x[j], rows 2j-1 and 2j of the result are w[2] p + w[0] q and w[3] p + w[1] q;
    columns likewise. A 2x2 convolution of the padded maps computes all four sums of each (i, j).
    """
    inputs, outputs = weight.shape[:2]
    # split the rows of a kernel into (p or q, row of the result), p first
    taps = weight.view(inputs, outputs, 2, 2, 2, 2).flip(2, 4)
    kernel = taps.permute(1, 3, 5, 0, 2, 4).reshape(4 * outputs, inputs, 2, 2)
    sums = nn.functional.conv2d(maps, kernel, bias.repeat_interleave(4), padding=1)
    layout = torch.channels_last if maps.is_contiguous(memory_format=torch.channels_last) else None
    image = nn.functional.pixel_shuffle(sums, 2)[:, :, 1:-1, 1:-1]
    return image.contiguous(memory_format=layout or torch.contiguous_format)
