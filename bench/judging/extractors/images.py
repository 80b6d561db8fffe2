"""The extractors for images: Inception, and the shipped networks for grey and for colour images.

A shipped network stands in for Inception where its weights are missing. The Fréchet distance is called `fid`
only with the standard Inception weights of 2015-12-05; with any other network its name is `fd_NAME`.
"""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from bench.datasets import contents
from bench.judging.extractors.registry import Availability, ImageExtractor, metric_of, register
from bench.judging.networks import DigitsGarmentsNetwork, FeatureNetwork, ObjectsNetwork
from bench.judging.networks.feature_network import load
from bench.judging.protocol import Requirement
from bench.system.errors import WorkError

PUBLISHED_PREFIX = "6726825d"  # first digits of the published Inception file's sha256
INCEPTION_NAME = "inception-2015-12-05"
# The same file has two names: pytorch-fid's and torch-fidelity's.
INCEPTION_FILES = (
    f"pt_inception-2015-12-05-{PUBLISHED_PREFIX}.pth",
    f"weights-inception-2015-12-05-{PUBLISHED_PREFIX}.pth",
)
_PROVIDES: frozenset[Requirement] = frozenset({"features", "images", "classes"})
_log = logging.getLogger(__name__)


class _Shipped(ImageExtractor):
    """An extractor with one of the project's own networks.

    Parameters
    ----------
    path : Path, optional
        Weights written by the network's script in `tools/`. With any but the shipped file the name has the
        file's hash.
    device : torch.device or str
        Device of the network.

    Raises
    ------
    WorkError
        If the file holds no such network.
    """

    network: ClassVar[type[FeatureNetwork]]
    recorded_name: ClassVar[str]
    provides = _PROVIDES

    def __init__(self, path: Path | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        loaded = load(self.network, path)
        self.hash = loaded.hash
        shipped = path in (None, self.network.shipped_weights)
        self.name = self.recorded_name if shipped else f"{self.recorded_name}-{self.hash[:8]}"
        self.metric = metric_of(self.name)
        self.record = loaded.record
        self._network = loaded.network.to(self.device)

    @classmethod
    def availability(cls, cache: Path) -> Availability:
        """Return whether the shipped file can be read."""
        path = cls.network.shipped_weights
        try:
            digest, note = load(cls.network).hash, ""
        except WorkError as error:
            digest, note = None, str(error)
        return Availability(
            cls.recorded_name,
            metric_of(cls.recorded_name),
            not note,
            str(path),
            (str(path),),
            digest,
            note,
            ", ".join(cls.trained_on),
            cls.channels,
        )

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features and logits of one batch."""
        features, logits = self._network(self.network.to_input(images))
        return features, logits


@register
class DigitsGarments(_Shipped):
    """The project's own network for grey images: digits 0-9 and the ten garments."""

    name = "shipped"
    network = DigitsGarmentsNetwork
    recorded_name = "digits-garments"
    width = network.width
    preprocessing = network.preprocessing()
    channels = (network.channels,)
    class_names = network.class_names
    trained_on = (contents.DIGITS, contents.GARMENTS)

    @classmethod
    def create(
        cls, channels: int, cache: Path, allow_download: bool = False, device: torch.device | str = "cpu"
    ) -> ImageExtractor:
        """Return the shipped network for so many channels."""
        return shipped_for(channels, device)


class Objects(_Shipped):
    """The project's own network for colour images: CIFAR-10's ten kinds of objects and animals.

    The knob `extractor` selects it by ``shipped``, as it does the network for grey images.
    """

    name = "objects"
    network = ObjectsNetwork
    recorded_name = "objects"
    width = network.width
    preprocessing = network.preprocessing()
    channels = (network.channels,)
    class_names = network.class_names
    trained_on = (contents.OBJECTS,)


def shipped_for(channels: int, device: torch.device | str = "cpu") -> ImageExtractor:
    """Return the extractor with the project's own network for grey (1) or colour (3) images."""
    return DigitsGarments(device=device) if channels == 1 else Objects(device=device)


@register
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

    name = "inception"
    provides = _PROVIDES
    width = 2048
    preprocessing = "299x299 bilinear as TensorFlow 1, no antialias, uint8, grey repeated to 3 channels"
    channels = (1, 3)
    batch_size = 32
    trained_on = (contents.OBJECTS,)  # ImageNet

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

    @classmethod
    def create(
        cls, channels: int, cache: Path, allow_download: bool = False, device: torch.device | str = "cpu"
    ) -> ImageExtractor:
        """Return Inception where its weights are found, else the shipped network for so many channels.

        Raises
        ------
        WorkError
            If a file with the published name is not the published one.
        """
        path = _find(cache)
        if path is None and allow_download:
            try:
                path = _download(cache)
            except (OSError, RuntimeError) as error:
                _log.warning("Inception weights could not be fetched: %s", error)
        if path is not None:
            wrong = _wrong(_hash(path))
            if wrong:
                raise WorkError(f"{path} {wrong}: remove it, or replace it by the published file")
            return cls(path, device)
        return shipped_for(channels, device)

    @classmethod
    def availability(cls, cache: Path) -> Availability:
        """Return whether the published weights are on this machine."""
        searched = tuple(str(path) for path in inception_paths(cache))
        found = _find(cache)
        digest = _hash(found) if found else None
        note = f"not found: put it at {searched[0]}" if digest is None else _wrong(digest)
        path = str(found or searched[0])
        return Availability(
            INCEPTION_NAME,
            "fid",
            not note,
            path,
            searched,
            digest,
            note,
            ", ".join(cls.trained_on),
            cls.channels,
        )

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute 2048 features and 1008 logits of one batch."""
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


def inception_paths(cache: Path) -> tuple[Path, ...]:
    """Return the paths searched for Inception's weights, in order: the bench's cache, then torch.hub's."""
    folders = (cache / "weights", Path(torch.hub.get_dir()) / "checkpoints")
    return tuple(folder / name for folder in folders for name in INCEPTION_FILES)


def _find(cache: Path) -> Path | None:
    return next((path for path in inception_paths(cache) if path.is_file()), None)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(digest: str) -> str:
    if digest.startswith(PUBLISHED_PREFIX):
        return ""
    return f"is not the published file: its sha256 begins {digest[:8]}, not {PUBLISHED_PREFIX}"


def _download(cache: Path) -> Path:
    # imported late: torch-fidelity, whose address this is, takes seconds to import
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = cache / "weights" / INCEPTION_FILES[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=PUBLISHED_PREFIX, progress=False)
    return path
