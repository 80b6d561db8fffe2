"""What data sets there are, and what of them is on this machine."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.folder import PREFIX
from bench.datasets.registry import ImageDataset, PointDataset, classes
from bench.system.errors import WorkError


@dataclass(frozen=True)
class CatalogueRow:
    """One data set as ``bench datasets`` shows it.

    Attributes
    ----------
    name, description, source : str
        Its name, what it shows, whose it is and under which licence.
    judged_by : str
        What kind of judge its samples need: ``"images"``, ``"stacked-digits"`` or ``"points"``.
    count : int or None
        Training samples: counted where the files are there, else as published; None where unknown.
    native_size : int or None
        Side in pixels of the square image before resizing; None where it varies, and of points.
    channels : {1, 3} or None
        Channels that it is used with unless the user says otherwise; None of points.
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
    judged_by: str
    count: int | None
    native_size: int | None
    channels: int | None
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
        count: int | None
        if isinstance(dataset, PointDataset):
            missing, count = "", dataset.count_of_points
            native_size, channels = None, None
        else:
            assert isinstance(dataset, ImageDataset)
            missing, count = _there(dataset, data_root)
            native_size, channels = dataset.native_size, dataset.channels
        rows.append(
            CatalogueRow(
                name=name,
                description=dataset.description,
                source=dataset.source,
                judged_by=dataset.judged_by,
                count=count,
                native_size=native_size,
                channels=channels,
                present=not missing,
                missing=missing,
                cached=tuple(sorted(cached.get(name, ()))),
            )
        )
    return rows


def _there(dataset: ImageDataset, data_root: Path) -> tuple[str, int | None]:
    """Say what is missing, and how many images there are."""
    try:
        return dataset.missing(data_root), dataset.count(data_root)
    except WorkError as error:
        return str(error), dataset.published_count


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
