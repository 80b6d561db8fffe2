"""Choice of the extractor: by the kind of samples and the knob `extractor`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.datasets import judged_by
from bench.judging.extractors import (  # noqa: F401  (those that are not used are registered)
    efficientnet,
    inception_weights,
    vision_transformers,
)
from bench.judging.extractors.images import DigitsGarments, Inception, Objects
from bench.judging.extractors.modes import Points, StackedDigits
from bench.judging.extractors.registry import EXTRACTORS, Availability, ImageExtractor, metric_of
from bench.judging.protocol import Extractor, knows
from bench.system.errors import RequestError, unknown

if TYPE_CHECKING:
    from bench.datasets import KnownModes
    from bench.datasets.registry import JudgedBy

# data with known modes are judged by these modes, whichever of the two is named
_OF_EVERY_PRESET = (Inception.name, DigitsGarments.name)


def require_extractor(name: str, dataset: str) -> None:
    """Raise an error if the knob `extractor` cannot have a value; needs neither data nor weights.

    Parameters
    ----------
    name : str
        Name that the user typed.
    dataset : str
        The data set that is judged; it exists.

    Raises
    ------
    RequestError
        For an unknown name (with the allowed names and the nearest spelling), for an extractor whose packages
        are missing (with the command that installs them), and for one that is neither Inception nor the
        shipped one where the data set is judged by its known modes.
    """
    known = EXTRACTORS.entries()
    if name not in known:
        raise unknown("extractor", name, known)
    if judged_by(dataset) != "images" and name not in _OF_EVERY_PRESET:
        allowed = " and ".join(_OF_EVERY_PRESET)
        raise RequestError(f"extractor {name}: {dataset} is judged by its known modes: allowed are {allowed}")
    _require_packages(known[name])


def extractor_for(
    judged_by: JudgedBy,
    cache: Path,
    *,
    channels: int | None = None,
    modes: KnownModes | None = None,
    preferred: str = Inception.name,
    allow_download: bool = False,
    device: torch.device | str = "cpu",
) -> Extractor:
    """Return the extractor for a kind of samples.

    Parameters
    ----------
    judged_by : str
        Kind of the samples: `points` needs `modes`, `images` needs `channels`.
    cache : Path
        The bench's cache folder.
    channels : int, optional
        1 or 3.
    modes : KnownModes, optional
        The mixture that points are drawn from.
    preferred : str
        The extractor for images, by its registered name.
    allow_download : bool
        Whether missing weights may be fetched into the cache.
    device : torch.device or str
        Device of the network.

    Raises
    ------
    RequestError, WorkError
        As :meth:`bench.judging.extractors.registry.ImageExtractor.create`; RequestError also if there is no
        extractor of that name, or its packages are missing.
    """
    if judged_by == "points":
        assert modes is not None
        return Points(modes.centres, modes.deviation)
    if judged_by == "stacked-digits":
        return StackedDigits(device)
    assert channels is not None
    known = EXTRACTORS.entries()
    if preferred not in known:
        raise unknown("extractor", preferred, known)
    _require_packages(known[preferred])
    return known[preferred].create(channels, cache, allow_download, device)


def _require_packages(kind: type[ImageExtractor]) -> None:
    """Raise RequestError if packages are missing, with the command that installs them."""
    if missing := kind.missing():
        raise RequestError(f"extractor {kind.name}: {missing}")


def unfamiliar(extractor: Extractor, content: str, dataset: str) -> str:
    """Return in words how a data set differs from what an extractor was trained on; empty if it does not.

    Parameters
    ----------
    extractor : Extractor
        The extractor.
    content : str
        What the samples show; empty where this is not known.
    dataset : str
        Name of the data set.
    """
    if knows(extractor, content):
        return ""
    shows = f"{dataset} shows {content}" if content else f"what {dataset} shows is not known"
    return f"{extractor.name} was trained on {' and '.join(extractor.trained_on)}, and {shows}"


def caution(extractor: Extractor, content: str, dataset: str) -> str:
    """Return in one line why an extractor's numbers may mislead on a data set; empty where they need not.

    The parameters are those of :func:`unfamiliar`.
    """
    reason = unfamiliar(extractor, content, dataset)
    lost = ", and nothing is measured of classes" if "classes" in extractor.provides else ""
    misleading = "distances, precision, coverage and the verdict on collapse may mislead"
    return f"{reason}: {misleading}{lost}" if reason else ""


def missing_network(extractor: Extractor, wanted: str, cache: Path) -> str:
    """Return why another network than the wanted one judges, and how to have the wanted one.

    Parameters
    ----------
    extractor : Extractor
        The extractor that :func:`extractor_for` returned.
    wanted : str
        The value of the knob `extractor`.
    cache : Path
        The bench's cache folder.

    Returns
    -------
    str
        Empty where the wanted network judges, and for data that are judged by their known modes.
    """
    shipped = isinstance(extractor, ImageExtractor) and not isinstance(extractor, Inception)
    if wanted != Inception.name or not shipped:
        return ""
    return f"Inception's weights are not on this machine: {inception_weights.ADVICE} {cache / 'weights'}"


def shortfall(extractor: Extractor) -> str:
    """Return what an extractor cannot measure though its class says so, in one line; mostly empty."""
    lacks: str = getattr(extractor, "lacks", "")
    return lacks


def names_by_metric() -> dict[str, str]:
    """Return the value of the knob `extractor` that selects each Fréchet distance of images."""
    shipped = (metric_of(kind.recorded_name) for kind in (DigitsGarments, Objects))
    own = {"fid": Inception.name} | dict.fromkeys(shipped, DigitsGarments.name)
    return own | {metric_of(name): name for name in EXTRACTORS.entries() if name not in own.values()}


def availability(cache: Path) -> list[Availability]:
    """Return every extractor and whether it can be used, for `bench doctor`; nothing is downloaded."""
    shipped = DigitsGarments.availability(cache)
    stacked = replace(
        shipped,
        name=StackedDigits.name,
        metric=StackedDigits.metric,
        trained_on=", ".join(StackedDigits.trained_on),
        channels=(),
    )
    points = Availability(Points.name, Points.metric, True, "", (), None, "", "")
    others = [kind for name, kind in EXTRACTORS.entries().items() if name not in _OF_EVERY_PRESET]
    return [
        Inception.availability(cache),
        shipped,
        Objects.availability(cache),
        stacked,
        points,
        *(_availability(kind, cache) for kind in others),
    ]


def _availability(kind: type[ImageExtractor], cache: Path) -> Availability:
    """Return the row of an extractor; that of another package may raise anything or return nothing."""
    try:
        row = kind.availability(cache)
        if isinstance(row, Availability):
            return row
        problem = EXTRACTORS.pass_over(kind.name, f"availability returned a {type(row).__name__}")
    except Exception as error:
        problem = EXTRACTORS.pass_over(kind.name, error)
    return Availability(kind.name, metric_of(kind.name), False, "", (), None, problem, "")
