"""What data sets there are, and what of them is on this machine."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.folder import PREFIX
from bench.datasets.registry import classes
from bench.errors import WorkError


@dataclass(frozen=True)
class CatalogueRow:
    """One data set as ``bench datasets`` shows it.

    Attributes
    ----------
    name, description, source : str
        Its name, what it shows, whose it is and under which licence.
    images : int or None
        Training images: counted where the files are there, else as published; None where unknown.
    native_size : int or None
        Side in pixels of the square image before resizing; None where it varies.
    channels : {1, 3}
        Channels that it is used with unless the user says otherwise.
    present : bool
        Whether it can be used as it is.
    missing : str
        What is missing and where to put it; empty if nothing is.
    cached : tuple of str
        Sizes that are decoded already, such as ``"1x28x28"`` (channels, height, width).
    """

    name: str
    description: str
    source: str
    images: int | None
    native_size: int | None
    channels: int
    present: bool
    missing: str
    cached: tuple[str, ...]


def catalogue(data_root: Path, cache: Path) -> list[CatalogueRow]:
    """List all data sets in alphabetical order; decodes and downloads nothing.

    Parameters
    ----------
    data_root : Path
        Folder of the published data sets; need not exist.
    cache : Path
        Folder of decoded images; need not exist.

    Returns
    -------
    list of CatalogueRow
        ``folder:PATH`` is one of them, always present.
    """
    cached = _cached(cache)
    rows = []
    for name, cls in classes().items():
        dataset = cls()
        try:
            missing, images = dataset.missing(data_root), dataset.count(data_root)
        except WorkError as error:
            missing, images = str(error), dataset.published_count
        rows.append(
            CatalogueRow(
                name=name,
                description=dataset.description,
                source=dataset.source,
                images=images,
                native_size=dataset.native_size,
                channels=dataset.channels,
                present=not missing,
                missing=missing,
                cached=tuple(sorted(cached.get(name, ()))),
            )
        )
    return rows


def _cached(cache: Path) -> dict[str, set[str]]:
    """Collect the decoded sizes of each data set from the descriptions in the cache."""
    sizes: dict[str, set[str]] = {}
    for path in (cache / "images").glob("*.json"):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            name, shape = str(facts["name"]), facts["shape"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        row = f"{PREFIX}PATH" if name.startswith(PREFIX) else name
        sizes.setdefault(row, set()).add("x".join(map(str, shape[1:])))
    return sizes
