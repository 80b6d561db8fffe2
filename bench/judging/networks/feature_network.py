"""Base class of the shipped networks, and the files of their weights."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from bench.system.atomic_files import write_bytes
from bench.system.errors import WorkError
from bench.system.json_values import Json

WEIGHTS = Path(__file__).parents[1] / "weights"

# One key that holds JSON: the order of several keys in a safetensors header is not promised,
# and the file's hash must not depend on it.
_RECORD_KEY = "record"


class FeatureNetwork(nn.Module, ABC):
    """A network that maps images to standardised features and to scores of classes.

    The features are taken before any activation: they are then closer to a Gaussian, which the Fréchet
    distance assumes. Each has variance 1 over the training images.

    Attributes
    ----------
    channels : {1, 3}
        Of the images.
    image_size : int
        Side of the images in pixels; others are resized.
    width : int
        Number of features.
    class_names : tuple of str
        Names of the classes, by number.
    shipped_weights : Path
        The project's own weights.
    stored_dtype : torch.dtype
        Of matrices and kernels in the file; vectors are float32 always.
    """

    channels: ClassVar[int]
    image_size: ClassVar[int]
    width: ClassVar[int]
    class_names: ClassVar[tuple[str, ...]]
    shipped_weights: ClassVar[Path]
    stored_dtype: ClassVar[torch.dtype] = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.body = self.build_body()
        self.dropout = nn.Dropout(0.2)  # training only: spreads the classes over all features
        self.head = nn.Linear(self.width, len(self.class_names))

    @abstractmethod
    def build_body(self) -> nn.Sequential:
        """Return the layers from images to features; the last one standardises the features."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features and class scores.

        Parameters
        ----------
        images : Tensor
            float32 (N, channels, image_size, image_size) in [-1, 1].

        Returns
        -------
        features : Tensor
            float32 (N, width).
        logits : Tensor
            float32 (N, number of classes), in the order of `class_names`.
        """
        features = self.body(images)
        return features, self.head(self.dropout(features))

    @classmethod
    def to_input(cls, images: Tensor) -> Tensor:
        """Scale uint8-valued images (N, channels, H, W) to the network's float32 in [-1, 1].

        Other sizes are resized bilinearly with antialiasing, in float32 and without rounding in between.
        """
        scaled = images.to(torch.float32) / 127.5 - 1.0
        size = (cls.image_size, cls.image_size)
        if scaled.shape[-2:] != size:
            scaled = nn.functional.interpolate(
                scaled, size=size, mode="bilinear", align_corners=False, antialias=True
            )
        return scaled

    @classmethod
    def preprocessing(cls) -> str:
        """Return how images are prepared, for the protocol."""
        return f"{cls.image_size}x{cls.image_size} bilinear antialias uint8"


_Network = TypeVar("_Network", bound=FeatureNetwork)


@dataclass(frozen=True)
class LoadedNetwork(Generic[_Network]):
    """A network read from a file, with the file's record of its training.

    Attributes
    ----------
    network : FeatureNetwork
        In evaluation mode, without gradients.
    hash : str
        sha256 of the file, 64 hexadecimal digits.
    record : mapping
        `class_names`, `training_data` (file name to sha256), `accuracy` (name of the test images to a share
        in [0, 1]) and the training's settings.
    """

    network: _Network
    hash: str
    record: Mapping[str, Json]


def save(network: FeatureNetwork, record: Mapping[str, Json], path: Path) -> None:
    """Write weights and record; equal weights and record give equal bytes."""
    tensors = {name: _stored(tensor, network) for name, tensor in network.state_dict().items()}
    write_bytes(path, save_safetensors(tensors, metadata={_RECORD_KEY: json.dumps(record, sort_keys=True)}))


def _stored(tensor: Tensor, network: FeatureNetwork) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.to(network.stored_dtype) if tensor.dim() > 1 else tensor


def load(kind: type[_Network], path: Path | None = None) -> LoadedNetwork[_Network]:
    """Read a network written by `save`. The file can hold no code.

    Parameters
    ----------
    kind : type of FeatureNetwork
        The network.
    path : Path, optional
        The file; the shipped one where not given.

    Raises
    ------
    WorkError
        If the file is missing, broken or of another network.
    """
    path = path or kind.shipped_weights
    try:
        content = path.read_bytes()
        tensors = load_safetensors(content)
        record = _record(content)
        network = kind()
        network.load_state_dict(tensors)  # copies into float32
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
