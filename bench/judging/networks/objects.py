"""The small network for colour images of objects and animals; trained by `tools/train_objects.py`."""

from __future__ import annotations

import torch
from torch import nn

from bench.judging.networks.feature_network import WEIGHTS, FeatureNetwork


def _convolution(inputs: int, outputs: int, pool: bool = False) -> list[nn.Module]:
    pooling = [nn.MaxPool2d(2)] if pool else []
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        *pooling,
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


class ObjectsNetwork(FeatureNetwork):
    """Seven convolutions, 128 standardised linear features, and a head of 10 classes (758,506 parameters).

    Pooling comes right after the first convolution of each block, as in the fast CIFAR-10 networks since
    DAWNBench (2018): most of the work is then at half of the resolution.
    """

    channels = 3
    image_size = 32
    width = 128
    class_names = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    shipped_weights = WEIGHTS / "objects.safetensors"
    stored_dtype = torch.float16

    def build_body(self) -> nn.Sequential:
        """Return the convolutions and the linear layer."""
        return nn.Sequential(
            *_convolution(3, 32),
            *_convolution(32, 48, pool=True),  # 16 x 16
            *_convolution(48, 48),
            *_convolution(48, 96, pool=True),  # 8 x 8
            *_convolution(96, 96),
            *_convolution(96, 192, pool=True),  # 4 x 4
            *_convolution(192, 192),
            nn.MaxPool2d(2),  # 2 x 2: keeps where a part is, roughly
            nn.Flatten(),
            nn.Linear(192 * 4, self.width, bias=False),
            nn.BatchNorm1d(self.width, affine=False),
        )
