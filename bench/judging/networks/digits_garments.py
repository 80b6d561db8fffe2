"""The small digit and garment network, for grey images; trained by `tools/train_digits_garments.py`."""

from __future__ import annotations

from torch import nn

from bench.judging.networks.feature_network import WEIGHTS, FeatureNetwork


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class DigitsGarmentsNetwork(FeatureNetwork):
    """Five convolutions, 64 standardised linear features, and a head of 20 classes (73,188 parameters).

    Images are float32 (N, 1, 28, 28) in [-1, 1], background -1.
    """

    channels = 1
    image_size = 28
    width = 64
    class_names = (
        *(f"digit {digit}" for digit in range(10)),
        *("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag"),
        "ankle boot",
    )
    shipped_weights = WEIGHTS / "digits_garments.safetensors"

    def build_body(self) -> nn.Sequential:
        """Return the convolutions and the linear layer."""
        return nn.Sequential(
            *_convolution(1, 16),
            *_convolution(16, 16),
            nn.MaxPool2d(2),  # 14 x 14
            *_convolution(16, 32),
            *_convolution(32, 32),
            nn.MaxPool2d(2),  # 7 x 7
            *_convolution(32, 64),
            nn.MaxPool2d(2),  # 3 x 3: keeps where a stroke is, roughly
            nn.Flatten(),
            nn.Linear(64 * 9, self.width, bias=False),
            nn.BatchNorm1d(self.width, affine=False),
        )
