"""Extractors for images: networks that map images to features and class probabilities.

`bench.judging.extractors` chooses among them. The Fréchet distance is called `fid` only with the standard
Inception weights of 2015-12-05; with any other network its name is `fd_NAME`.
"""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor

from bench.judging import feature_network
from bench.judging.protocol import Extraction, Requirement
from bench.system.errors import WorkError
from bench.training.device import whole_float32

PUBLISHED_PREFIX = "6726825d"  # first digits of the published Inception file's sha256
INCEPTION_NAME = "inception-2015-12-05"
SHIPPED_NAME = "digits-garments"


class ImageExtractor(ABC):
    """Base class: checks images and runs a network on batches of them in float32."""

    name: str
    metric: str
    hash: str
    width: int
    preprocessing: str
    provides: frozenset[Requirement] = frozenset({"features", "images", "classes"})
    mode_count = 0
    channels: tuple[int, ...]
    batch_size: int

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    @abstractmethod
    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features and class logits of one batch on the device."""

    def __call__(self, images: Tensor) -> Extraction:
        """Extract from uint8 images (N, C, H, W).

        Raises
        ------
        ValueError
            If the images are not uint8, not 4-dimensional or of a number of channels that the network does
            not accept.
        """
        if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] not in self.channels:
            raise ValueError(
                f"{self.name} takes uint8 images (N, C, H, W) with C in {self.channels},"
                f" not {images.dtype} {tuple(images.shape)}"
            )
        features, probabilities = [], []
        # The caller's mixed precision and TF32 must not change the features.
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, enabled=False),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            whole_float32(),
        ):
            for batch in images.split(self.batch_size):
                values, logits = self._forward(batch.to(self.device))
                features.append(values.float().cpu())
                probabilities.append(logits.float().softmax(dim=1).cpu())
        return Extraction(torch.cat(features), torch.cat(probabilities))


class DigitsGarments(ImageExtractor):
    """The project's own network for grey images: digits 0-9 and the ten garments.

    Parameters
    ----------
    path : Path
        Weights written by `tools/train_feature_network.py`. With any but the shipped file the name has the
        file's hash.
    device : torch.device or str
        Device of the network.

    Raises
    ------
    WorkError
        If the file holds no such network.
    """

    width = feature_network.WIDTH
    preprocessing = f"{feature_network.IMAGE_SIZE}x{feature_network.IMAGE_SIZE} bilinear antialias uint8"
    channels = (1,)
    batch_size = 250

    def __init__(
        self, path: Path = feature_network.SHIPPED_WEIGHTS, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(device)
        loaded = feature_network.load(path)
        self.hash = loaded.hash
        shipped = path == feature_network.SHIPPED_WEIGHTS
        self.name = SHIPPED_NAME if shipped else f"{SHIPPED_NAME}-{self.hash[:8]}"
        self.metric = "fd_" + self.name.replace("-", "_")
        self.record = loaded.record
        self._network = loaded.network.to(self.device)

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self._network(feature_network.to_input(images))
        return features, logits


class Inception(ImageExtractor):
    """Inception-v3 as torch-fidelity and the original FID code run it; pool3 features.

    Parameters
    ----------
    path : Path
        Weights as a state dict. Only the published file is called `fid`; any other is `fd_inception_HASH`.
    device : torch.device or str
        Device of the network. About 0.2 s per image on a CPU.

    Raises
    ------
    WorkError
        If the file holds no such weights.

    Notes
    -----
    Equals torch-fidelity, and torchmetrics with `antialias=False`.
    """

    width = 2048
    preprocessing = "299x299 bilinear as TensorFlow 1, no antialias, uint8, grey repeated to 3 channels"
    channels = (1, 3)
    batch_size = 32

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise WorkError(f"{path} cannot be read: {error.strerror}") from error
        self.hash = hashlib.sha256(content).hexdigest()
        published = self.hash.startswith(PUBLISHED_PREFIX)
        self.name = INCEPTION_NAME if published else f"inception-{self.hash[:8]}"
        self.metric = "fid" if published else f"fd_inception_{self.hash[:8]}"
        self._network = _build_inception(content, path).to(self.device)

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self._network(images.expand(-1, 3, -1, -1))
        return features, logits


def _build_inception(content: bytes, path: Path) -> torch.nn.Module:
    # imported late: torch-fidelity imports torchvision, which takes 4 s and more
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        # torch-fidelity unpickles without restrictions, so it gets a copy of what was just read safely
        safe = io.BytesIO()
        torch.save(state, safe)
        safe.seek(0)
        network: torch.nn.Module = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=safe
        )
    except Exception as error:  # unpickling a foreign file can raise nearly any exception
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WorkError(f"{path} holds no Inception weights: {reason}") from error
    return network
