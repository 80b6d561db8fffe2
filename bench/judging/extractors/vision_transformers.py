"""DINOv2 and CLIP: vision transformers of timm, whose weights are put into the cache or fetched."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from bench.datasets import contents
from bench.judging.extractors.registry import Availability, ImageExtractor, metric_of, register
from bench.judging.extractors.resizing import resized
from bench.judging.extractors.weights import content_of, sha256, sha256_of_file, tensors_of, unusable
from bench.system.errors import WorkError

_SIZE = 224
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_log = logging.getLogger(__name__)


class VisionTransformer(ImageExtractor):
    """Base class: a vision transformer of timm with weights from a file.

    Parameters
    ----------
    path : Path
        Weights, safetensors or a state dict. The extractor's `hash` is the file's sha256, which the protocol
        has: no other digest is known to be the right one.
    device : torch.device or str
        Device of the network.

    Attributes
    ----------
    architecture : str
        timm's name of the network.
    classes : int
        Outputs of timm's head, which are the features; 0 for a network without a head.
    files : tuple of str
        Names under which the weights may lie in the cache's folder ``weights`` or in torch.hub's; the first
        is that of a fetched file.
    address : str
        Where the weights are fetched from.
    mean, deviation : tuple of float
        Of each colour, in units of the brightest value.

    Raises
    ------
    WorkError
        If the file cannot be read, or holds other weights.
    """

    architecture: ClassVar[str]
    classes: ClassVar[int] = 0
    files: ClassVar[tuple[str, ...]]
    address: ClassVar[str]
    mean: ClassVar[tuple[float, float, float]]
    deviation: ClassVar[tuple[float, float, float]]
    preprocessing = f"{_SIZE}x{_SIZE} bicubic antialias, standardised, grey repeated to 3 channels"
    channels = (1, 3)
    batch_size = 32
    modules: ClassVar[tuple[str, ...]] = ("timm",)

    def __init__(self, path: Path, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        content = content_of(path)
        self.hash = sha256(content)
        self._network = self._build(content, path).to(self.device)
        mean, deviation = (torch.tensor(values) * 255 for values in (self.mean, self.deviation))
        self._mean, self._deviation = (
            values.view(1, 3, 1, 1).to(self.device) for values in (mean, deviation)
        )

    @classmethod
    def create(
        cls, channels: int, cache: Path, allow_download: bool = False, device: torch.device | str = "cpu"
    ) -> ImageExtractor:
        """Return the extractor with the weights found, or fetched.

        Raises
        ------
        WorkError
            If there are none; the message says where to put the file.
        """
        path = cls._find(cache)
        reason = ""
        if path is None and allow_download:
            try:
                path = cls._download(cache)
            except (OSError, RuntimeError) as error:
                reason = f" (fetching failed: {error})"
        if path is None:
            raise WorkError(f"extractor {cls.name}: weights are missing{reason}: {cls._advice(cache)}")
        return cls(path, device)

    @classmethod
    def availability(cls, cache: Path) -> Availability:
        """Return whether timm and the weights are on this machine."""
        metric, trained_on = metric_of(cls.name), ", ".join(cls.trained_on)
        if missing := cls.missing():
            return Availability(cls.name, metric, False, "", (), None, missing, trained_on, cls.channels)
        searched = tuple(map(str, cls.paths(cache)))
        found = cls._find(cache)
        note = "" if found else f"not found: {cls._advice(cache)}"
        digest = sha256_of_file(found) if found else None
        path = str(found or searched[0])
        return Availability(
            cls.name, metric, not note, path, searched, digest, note, trained_on, cls.channels
        )

    @classmethod
    def paths(cls, cache: Path) -> tuple[Path, ...]:
        """Return the paths of weights, in the order of search: the bench's cache, then torch.hub's."""
        folders = (cache / "weights", Path(torch.hub.get_dir()) / "checkpoints")
        return tuple(folder / name for folder in folders for name in cls.files)

    def extract(self, images: Tensor) -> tuple[Tensor, None]:
        """Compute the features of one batch; there are no classes."""
        features: Tensor = self._network((resized(images, _SIZE) - self._mean) / self._deviation)
        return features, None

    @classmethod
    def bare(cls) -> nn.Module:
        """Return timm's network, with weights drawn at random."""
        # imported late: the package is an extra
        import timm

        network: nn.Module = timm.create_model(
            cls.architecture, pretrained=False, img_size=_SIZE, num_classes=cls.classes
        )
        return network

    def _build(self, content: bytes, path: Path) -> nn.Module:
        """Return timm's network with the weights of a file."""
        from timm.models.vision_transformer import VisionTransformer as Network
        from timm.models.vision_transformer import checkpoint_filter_fn

        what = f"weights of {self.architecture}"
        tensors = tensors_of(content, path, what)
        # without memory, and without drawing weights that are replaced
        with torch.device("meta"):
            network = self.bare()
        assert isinstance(network, Network)
        try:
            # timm's own conversion: published names become its own, and positions are resampled to the size
            converted = checkpoint_filter_fn(tensors, network)
            network.load_state_dict(converted, assign=True)
        except Exception as error:  # the tensors of a foreign file can be anything
            raise unusable(path, what, error) from error
        return network.eval().requires_grad_(False).float()

    @classmethod
    def _find(cls, cache: Path) -> Path | None:
        return next((path for path in cls.paths(cache) if path.is_file()), None)

    @classmethod
    def _download(cls, cache: Path) -> Path:
        path = cls.paths(cache)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        _log.info("fetching %s", cls.address)
        torch.hub.download_url_to_file(cls.address, str(path), progress=False)
        return path

    @classmethod
    def _advice(cls, cache: Path) -> str:
        return f"put {cls.address} at {cls.paths(cache)[0]}"


@register
class Dinov2(VisionTransformer):
    """DINOv2 ViT-L/14, the size of published distances: 1,024 features of the class token."""

    name = "dinov2"
    width = 1024
    architecture = "vit_large_patch14_dinov2"
    files = (f"{architecture}.lvd142m.safetensors", "dinov2_vitl14_pretrain.pth")
    address = f"https://huggingface.co/timm/{architecture}.lvd142m/resolve/main/model.safetensors"
    mean, deviation = _IMAGENET
    # many kinds of photographs of the web, in which faces were blurred
    trained_on = (contents.OBJECTS, contents.BEDROOMS)
    extra: ClassVar[str] = "dinov2"


@register
class Dinov2Small(Dinov2):
    """DINOv2 ViT-S/14, for CPUs: 384 features of the class token."""

    name = "dinov2-small"
    width = 384
    architecture = "vit_small_patch14_dinov2"
    files = (f"{architecture}.lvd142m.safetensors", "dinov2_vits14_pretrain.pth")
    address = f"https://huggingface.co/timm/{architecture}.lvd142m/resolve/main/model.safetensors"


@register
class Clip(VisionTransformer):
    """CLIP ViT-B/32 of OpenAI: 512 features in the space that images share with texts."""

    name = "clip"
    width = 512
    architecture = "vit_base_patch32_clip_quickgelu_224"
    classes = width
    files = ("vit_base_patch32_clip_224.openai.safetensors",)
    address = "https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/main/model.safetensors"
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    # many kinds of images of the web
    trained_on = (contents.OBJECTS, contents.FACES, contents.BEDROOMS)
    extra: ClassVar[str] = "clip"
