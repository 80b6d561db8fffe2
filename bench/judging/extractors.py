"""Choice of the extractor: where Inception's weights are searched for, and the fallback without them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from bench.judging import feature_network
from bench.judging.image_extractors import (
    INCEPTION_NAME,
    PUBLISHED_PREFIX,
    SHIPPED_NAME,
    DigitsGarments,
    Inception,
)
from bench.judging.mode_extractors import Points, StackedDigits
from bench.judging.protocol import Extractor
from bench.system.errors import WorkError

if TYPE_CHECKING:
    from bench.datasets import KnownModes

__all__ = [
    "BROUGHT_BY",
    "Availability",
    "DigitsGarments",
    "Extractor",
    "Inception",
    "availability",
    "choose",
    "extractor_for",
    "inception_paths",
]

# The same file has two names: pytorch-fid's and torch-fidelity's.
INCEPTION_FILES = (
    f"pt_inception-2015-12-05-{PUBLISHED_PREFIX}.pth",
    f"weights-inception-2015-12-05-{PUBLISHED_PREFIX}.pth",
)
SHIPPED_METRIC = "fd_" + SHIPPED_NAME.replace("-", "_")
# value of the knob `extractor` that selects the network of each Fréchet distance of images
BROUGHT_BY: dict[str, Literal["inception", "shipped"]] = {"fid": "inception", SHIPPED_METRIC: "shipped"}
_log = logging.getLogger(__name__)


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
    """

    name: str
    metric: str
    present: bool
    path: str
    searched: tuple[str, ...]
    hash: str | None
    note: str


def inception_paths(cache: Path) -> tuple[Path, ...]:
    """Return the paths searched for Inception's weights, in order: the bench's cache, then torch.hub's."""
    folders = (cache / "weights", Path(torch.hub.get_dir()) / "checkpoints")
    return tuple(folder / name for folder in folders for name in INCEPTION_FILES)


def extractor_for(
    judged_by: Literal["images", "stacked-digits", "points"],
    cache: Path,
    *,
    channels: int | None = None,
    modes: KnownModes | None = None,
    preferred: Literal["inception", "shipped"] = "inception",
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
        Which network to prefer where both accept the images.
    allow_download : bool
        Whether missing Inception weights may be fetched into the cache.
    device : torch.device or str
        Device of the network.

    Raises
    ------
    WorkError
        As `choose`.
    """
    if judged_by == "points":
        assert modes is not None
        return Points(modes.centres, modes.deviation)
    if judged_by == "stacked-digits":
        return StackedDigits(device)
    assert channels is not None
    return choose(channels, cache, allow_download, device, prefer_shipped=preferred == "shipped")


def choose(
    channels: int,
    cache: Path,
    allow_download: bool = False,
    device: torch.device | str = "cpu",
    prefer_shipped: bool = False,
) -> Extractor:
    """Return Inception where its weights are found, else for grey images the shipped network.

    Parameters
    ----------
    channels : int
        1 or 3.
    prefer_shipped : bool
        Choose the shipped network for grey images even where Inception's weights are found.
    cache : Path
        The bench's cache folder.
    allow_download : bool
        Whether missing Inception weights may be fetched into the cache.
    device : torch.device or str
        Device of the network.

    Raises
    ------
    WorkError
        If a file with the published name is not the published one, or if there is none and the images have
        colours; the message says where to put the file.
    """
    if prefer_shipped and channels == 1:
        return DigitsGarments(device=device)
    path = _find(cache)
    reason = ""
    if path is None and allow_download:
        try:
            path = _download(cache)
        except (OSError, RuntimeError) as error:
            reason = f" (fetching failed: {error})"
            _log.warning("Inception weights could not be fetched: %s", error)
    if path is not None:
        wrong = _wrong(_hash(path))
        if wrong:
            raise WorkError(f"{path} {wrong}: remove it, or replace it by the published file")
        return Inception(path, device)
    if channels == 1:
        return DigitsGarments(device=device)
    raise WorkError(
        f"Inception weights are needed to judge images of {channels} channels{reason}:"
        f" put {INCEPTION_FILES[0]} into {cache / 'weights'}"
    )


def availability(cache: Path) -> list[Availability]:
    """Return every extractor and whether it can be used, for `bench doctor`; nothing is downloaded."""
    searched = tuple(str(path) for path in inception_paths(cache))
    found = _find(cache)
    digest = _hash(found) if found else None
    note = f"not found: put it at {searched[0]}" if digest is None else _wrong(digest)
    inception = Availability(
        INCEPTION_NAME, "fid", not note, str(found or searched[0]), searched, digest, note
    )
    shipped = _shipped()
    stacked = replace(shipped, name=StackedDigits.name, metric=StackedDigits.metric)
    return [inception, shipped, stacked, Availability(Points.name, Points.metric, True, "", (), None, "")]


def _shipped() -> Availability:
    path = feature_network.SHIPPED_WEIGHTS
    try:
        digest, note = feature_network.load(path).hash, ""
    except WorkError as error:
        digest, note = None, str(error)
    return Availability(SHIPPED_NAME, SHIPPED_METRIC, not note, str(path), (str(path),), digest, note)


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
