"""The small digit and garment network whose features stand in for Inception's on grey images.

Trained by `tools/train_feature_network.py`, shipped in `weights/` beside this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from bench.system.atomic_files import write_bytes
from bench.system.errors import WorkError
from bench.system.json_values import Json

SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "digits_garments.safetensors"

IMAGE_SIZE = 28
WIDTH = 64
CLASS_NAMES = (
    *(f"digit {digit}" for digit in range(10)),
    *("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
)

# One key that holds JSON: the order of several keys in a safetensors header is not promised,
# and the file's hash must not depend on it.
_RECORD_KEY = "record"


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class FeatureNetwork(nn.Module):
    """Five convolutions, 64 standardised linear features, and a head of 20 classes (about 74,000 parameters).

    The features are taken before any activation: they are then closer to a Gaussian, which the Fréchet
    distance assumes. The last batch norm has no scale of its own, so each feature has variance 1 over the
    training images.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(1, 16),
            *_convolution(16, 16),
            nn.MaxPool2d(2),  # 14 x 14
            *_convolution(16, 32),
            *_convolution(32, 32),
            nn.MaxPool2d(2),  # 7 x 7
            *_convolution(32, 64),
            nn.MaxPool2d(2),  # 3 x 3: keeps where a stroke is, roughly
            nn.Flatten(),
            nn.Linear(64 * 9, WIDTH, bias=False),
            nn.BatchNorm1d(WIDTH, affine=False),
        )
        self.dropout = nn.Dropout(0.2)  # training only: spreads the classes over all features
        self.head = nn.Linear(WIDTH, len(CLASS_NAMES))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features and class scores.

        Parameters
        ----------
        images : Tensor
            float32 (N, 1, 28, 28) in [-1, 1], background -1.

        Returns
        -------
        features : Tensor
            float32 (N, 64).
        logits : Tensor
            float32 (N, 20), in the order of `CLASS_NAMES`.
        """
        features = self.body(images)
        return features, self.head(self.dropout(features))


@dataclass(frozen=True)
class LoadedNetwork:
    """A network read from a file, with the file's record of its training.

    Attributes
    ----------
    network : FeatureNetwork
        In evaluation mode, without gradients.
    hash : str
        sha256 of the file, 64 hexadecimal digits.
    record : mapping
        `class_names`, `training_data` (file name to sha256), `accuracy` (`digits`, `garments`, each in [0,
        1]) and the training's settings.
    """

    network: FeatureNetwork
    hash: str
    record: Mapping[str, Json]


def save(network: FeatureNetwork, record: Mapping[str, Json], path: Path) -> None:
    """Write weights and record; equal weights and record give equal bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(path, save_safetensors(tensors, metadata={_RECORD_KEY: json.dumps(record, sort_keys=True)}))


def load(path: Path = SHIPPED_WEIGHTS) -> LoadedNetwork:
    """Read a network written by `save`. The file can hold no code.

    Raises
    ------
    WorkError
        If the file is missing, broken or of another network.
    """
    try:
        content = path.read_bytes()
        tensors = load_safetensors(content)
        record = _record(content)
        network = FeatureNetwork()
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WorkError(f"{path} holds no usable feature network: {reason}") from error
    network.eval().requires_grad_(False)
    return LoadedNetwork(network, hashlib.sha256(content).hexdigest(), record)


def _record(content: bytes) -> Mapping[str, Json]:
    # A safetensors file begins with the length of its JSON header, 8 bytes little-endian.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    record: Mapping[str, Json] = json.loads(header["__metadata__"][_RECORD_KEY])
    return record


def to_input(images: Tensor) -> Tensor:
    """Scale uint8-valued grey images (N, 1, H, W) to the network's float32 (N, 1, 28, 28) in [-1, 1].

    Other sizes are resized bilinearly with antialiasing, in float32 and without rounding in between.
    """
    scaled = images.to(torch.float32) / 127.5 - 1.0
    if scaled.shape[-2:] != (IMAGE_SIZE, IMAGE_SIZE):
        size = (IMAGE_SIZE, IMAGE_SIZE)
        scaled = nn.functional.interpolate(
            scaled, size=size, mode="bilinear", align_corners=False, antialias=True
        )
    return scaled
