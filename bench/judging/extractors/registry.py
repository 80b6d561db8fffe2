"""Base class of the extractors for images, and the registry of those that the knob `extractor` names."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from bench.judging.extractors.weights import missing_modules
from bench.judging.protocol import Extraction, Requirement
from bench.system.errors import RequestError
from bench.training.device import whole_float32
from variants.plugins import RegistrationError, Registry

# names in records, beside those of registered classes
_TAKEN = frozenset({"none", "points", "stacked-digits", "digits-garments", "objects"})
_POSSIBLE: frozenset[Requirement] = frozenset({"features", "images", "classes"})


@dataclass(frozen=True)
class Availability:
    """One extractor's row for `bench doctor`.

    Attributes
    ----------
    name, metric : str
        The extractor, and the name of its Fréchet distance.
    present : bool
        Whether it can be used now.
    path : str
        The weights found; where they are missing, where to put them; empty where none are needed.
    searched : tuple of str
        Every path that was searched, in order.
    hash : str or None
        sha256 of the file found.
    note : str
        The problem, or empty.
    trained_on : str
        What the images showed that the network was trained on; empty for features of a formula.
    channels : tuple of int
        Numbers of channels of the images that it judges; empty for other samples.
    lacks : str
        What cannot be measured by an extractor that can be used; or empty.
    """

    name: str
    metric: str
    present: bool
    path: str
    searched: tuple[str, ...]
    hash: str | None
    note: str
    trained_on: str
    channels: tuple[int, ...] = ()
    lacks: str = ""


def metric_of(name: str) -> str:
    """Return the name of the Fréchet distance of an extractor's features: ``fd_NAME``, with underscores."""
    return "fd_" + name.replace("-", "_")


class ImageExtractor(ABC):
    """Base class: checks images and runs a network on batches of them in float32.

    Subclasses set the class attributes and define :meth:`extract`.

    Attributes
    ----------
    name : str
        Value of the knob `extractor`. An instance may have a more precise name, that of its weights.
    version : str
        To be changed whenever a change of code changes the features; statistics of real samples that were
        cached are then measured again.
    width : int
        Number of features.
    preprocessing : str
        How an image is prepared for the network, for the protocol.
    provides : frozenset of str
        The requirements of metrics that the extractor meets: ``classes`` if it predicts classes.
    trained_on : tuple of str
        What the images showed that the network was trained on, in words of the data sets' ``content``, such
        as ``digits``; empty for features of a formula. On other images a run begins with a warning, and
        nothing is measured of classes.
    channels : tuple of int
        Numbers of channels that the network accepts, among 1 and 3.
    batch_size : int
        Images in a batch.
    metric : str
        Name of the Fréchet distance; ``fd_NAME`` unless the constructor sets another.
    class_names : tuple of str
        Names of the predicted classes, by number, where samples of conditional variants shall be compared
        with the classes of a data set; else empty.
    hash : str
        Hexadecimal sha256 that identifies the network: of name and version, unless the constructor sets it
        to that of a weights file.
    lacks : str
        What this instance cannot measure though its class says so, in one line that a run prints; or empty.
    extra : str
        The extra of this project that installs the packages that the extractor needs; or empty.
    modules : tuple of str
        Top-level modules of these packages, which are imported when the network is built.

    Parameters
    ----------
    device : torch.device or str
        Device of the network.
    """

    name: str
    version: ClassVar[str] = "1"
    width: int
    preprocessing: str
    trained_on: tuple[str, ...]
    provides: frozenset[Requirement] = frozenset({"features", "images"})
    mode_count = 0
    class_names: tuple[str, ...] = ()
    channels: tuple[int, ...] = (1, 3)
    batch_size: int = 250
    metric: str
    hash: str
    lacks: str = ""
    extra: ClassVar[str] = ""
    modules: ClassVar[tuple[str, ...]] = ()

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.metric = metric_of(self.name)
        self.hash = hashlib.sha256(f"{self.name} {self.version}".encode()).hexdigest()

    @classmethod
    def create(
        cls, channels: int, cache: Path, allow_download: bool = False, device: torch.device | str = "cpu"
    ) -> ImageExtractor:
        """Return the extractor for images of so many channels.

        Parameters
        ----------
        channels : int
            1 or 3.
        cache : Path
            The bench's cache folder; weights may lie in its folder ``weights``.
        allow_download : bool
            Whether missing weights may be fetched into the cache.
        device : torch.device or str
            Device of the network.

        Raises
        ------
        RequestError
            If the network does not accept images of so many channels.
        WorkError
            If weights are missing or are not the right ones; the message says where to put the file.
        """
        if channels not in cls.channels:
            accepted = " or ".join(map(str, cls.channels))
            raise RequestError(f"extractor {cls.name}: takes images of {accepted} channels, not {channels}")
        return cls(device)

    @classmethod
    def missing(cls) -> str:
        """Return which packages are missing, with the command that installs them; empty if none is."""
        absent = missing_modules(cls.modules)
        if not absent:
            return ""
        command = f": pip install 'began-bench[{cls.extra}]'" if cls.extra else ""
        return f"needs {' and '.join(absent)}{command}"

    @classmethod
    def availability(cls, cache: Path) -> Availability:
        """Return the row of `bench doctor`; nothing is downloaded."""
        note, trained_on = cls.missing(), ", ".join(cls.trained_on)
        metric = metric_of(cls.name)
        return Availability(cls.name, metric, not note, "", (), None, note, trained_on, cls.channels)

    @abstractmethod
    def extract(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute the features and the class logits of one batch on the device.

        Parameters
        ----------
        images : Tensor
            uint8 (B, C, H, W).

        Returns
        -------
        features : Tensor
            (B, width).
        logits : Tensor or None
            (B, K); None without classes.
        """

    def __call__(self, images: Tensor) -> Extraction:
        """Extract from uint8 images (N, C, H, W).

        Raises
        ------
        ValueError
            If the images are not uint8, not 4-dimensional or of a number of channels that the network does
            not accept, or if the features have another shape than promised.
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
                values, logits = self.extract(batch.to(self.device))
                if values.shape != (len(batch), self.width):
                    expected = (len(batch), self.width)
                    raise ValueError(f"{self.name}: features of shape {tuple(values.shape)}, not {expected}")
                features.append(values.float().cpu())
                if logits is not None:
                    probabilities.append(logits.float().softmax(dim=1).cpu())
        return Extraction(torch.cat(features), torch.cat(probabilities) if probabilities else None)


EXTRACTORS: Registry[type[ImageExtractor]] = Registry("extractor", "began_bench.extractors")
_Class = TypeVar("_Class", bound=type[ImageExtractor])


def register(cls: _Class) -> _Class:
    """Class decorator that registers an extractor under its name.

    Raises
    ------
    RegistrationError
        If the class is no complete extractor, or another class is registered under that name.
    """
    _check(cls)
    EXTRACTORS.add(cls.name, cls, cls)
    return cls


def _check(cls: type[ImageExtractor]) -> None:
    """Raise RegistrationError if a class is not a complete extractor."""
    if not (isinstance(cls, type) and issubclass(cls, ImageExtractor)):
        raise RegistrationError(f"{cls!r} is no subclass of ImageExtractor")
    name = cls.__qualname__
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise RegistrationError(f"{name} does not define {', '.join(missing)}")
    for attribute in ("name", "width", "preprocessing", "trained_on"):
        if not hasattr(cls, attribute):
            raise RegistrationError(f"{name}: the attribute {attribute} is missing")
    if cls.name in _TAKEN or not str(metric_of(cls.name)).isidentifier():
        raise RegistrationError(f"extractor {cls.name!r}: a name has letters, digits and hyphens, and is new")
    same = [name for name in (*EXTRACTORS.registered(), *_TAKEN) if metric_of(name) == metric_of(cls.name)]
    if other := [name for name in same if name != cls.name]:
        raise RegistrationError(
            f"extractors {other[0]!r} and {cls.name!r}: both would measure {metric_of(cls.name)}"
        )
    if not set(cls.channels) or not set(cls.channels) <= {1, 3}:
        raise RegistrationError(f"{name}: channels {cls.channels!r}: allowed are 1 and 3")
    if not isinstance(cls.trained_on, tuple):
        raise RegistrationError(f"{name}: trained_on {cls.trained_on!r} is no tuple, such as ('digits',)")
    if not {"features"} <= set(cls.provides) <= _POSSIBLE:
        raise RegistrationError(
            f"{name}: provides {sorted(cls.provides)}: allowed are features (always), images and classes"
        )
