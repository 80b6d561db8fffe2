"""Layers with equalised learning rates (Karras et al. 2018, section 4.1).

Weights are drawn from N(0, 1) and scaled in each forward pass. Adam moves every weight at the same speed,
whatever the weight's scale. With the scale outside of the weights, layers of all widths learn alike.
"""

import math

from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

RELU_GAIN = math.sqrt(2.0)  # of He et al., before a rectifier


class EqualisedConvolution(nn.Conv2d):
    """A convolution that keeps the side, with the weight times gain / sqrt(inputs of an output)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = RELU_GAIN) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.scale = gain / math.sqrt(inputs * kernel**2)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, inputs, S, S) to (B, outputs, S, S)."""
        return conv2d(maps, self.weight * self.scale, self.bias, padding=self.padding)


class EqualisedLinear(nn.Linear):
    """A linear layer with the weight times gain / sqrt(inputs)."""

    def __init__(self, inputs: int, outputs: int, gain: float = RELU_GAIN) -> None:
        super().__init__(inputs, outputs)
        self.scale = gain / math.sqrt(inputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs) to (B, outputs)."""
        return linear(features, self.weight * self.scale, self.bias)
