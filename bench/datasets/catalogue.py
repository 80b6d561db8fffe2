"""The list of data sets, with those present on this machine."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.cache_entry import read_entry
from bench.datasets.folder import PREFIX, Folder
from bench.datasets.registry import DATASETS, Dataset, ImageDataset, JudgedBy, PointDataset, classes
from bench.system.errors import WorkError


@dataclass(frozen=True)
class CatalogueRow:
    """One data set in the list of ``bench datasets``.

    Attributes
    ----------
    name, description, source : str
        Name, subject, and author with licence.
    judged_by : {"images", "stacked-digits", "points"}
        Kind of judge for the samples.
    count : int or None
        Training samples: counted if the files are present, else as published; None if unknown.
    native_size : int or None
        Side in pixels of the square image before resizing; None if sizes vary, and for points.
    channels : {1, 3} or None
        Default number of channels; None for points.
    classes : int
        Number of classes; 0 for a data set without labels, and for folders, whose classes depend on PATH.
    present : bool
        Whether the data set is complete on this machine.
    missing : str
        Missing files and the folder for them; empty if complete.
    cached : tuple of str
        Sizes of images in the cache, such as ``"1x28x28"`` (channels, height, width).
    """

    name: str
    description: str
    source: str
    judged_by: JudgedBy
    count: int | None
    native_size: int | None
    channels: int | None
    classes: int
    present: bool
    missing: str
    cached: tuple[str, ...]


def list_datasets(data_root: Path, cache: Path) -> list[CatalogueRow]:
    """Return all data sets in alphabetical order, without decoding or downloading anything.

    Parameters
    ----------
    data_root : Path
        Folder of the published data sets; may be absent.
    cache : Path
        Folder of decoded images; may be absent.

    Returns
    -------
    list of CatalogueRow
        Includes ``folder:PATH``, which is always present. A data set that raises is left out, with a warning.
    """
    cached = _cached_sizes(cache)
    rows = []
    for name, cls in classes().items():
        try:
            rows.append(_row(cls(), name, data_root, cached.get(name, ())))
        except Exception as error:  # a data set of another package may raise anything
            DATASETS.pass_over(name, error)
    return rows


def _row(dataset: Dataset, name: str, data_root: Path, cached: Collection[str]) -> CatalogueRow:
    """Return the row of one data set."""
    count: int | None
    if isinstance(dataset, PointDataset):
        missing, count = "", dataset.count_of_points
        native_size, channels = None, None
    else:
        assert isinstance(dataset, ImageDataset)
        missing, count = _missing_and_count(dataset, data_root)
        native_size, channels = dataset.native_size, dataset.channels
    return CatalogueRow(
        name=name,
        description=dataset.description,
        source=dataset.source,
        judged_by=dataset.judged_by,
        count=None if count is None else int(count),
        native_size=native_size,
        channels=channels,
        classes=len(dataset.class_names()),
        present=not missing,
        missing=missing,
        cached=tuple(sorted(cached)),
    )


def _missing_and_count(dataset: ImageDataset, data_root: Path) -> tuple[str, int | None]:
    """Return what is missing, and the number of images."""
    try:
        return dataset.missing(data_root), dataset.count(data_root)
    except WorkError as error:
        return str(error), dataset.published_count


def _cached_sizes(cache: Path) -> dict[str, set[str]]:
    """Return the sizes of cached images by data set."""
    sizes: dict[str, set[str]] = {}
    for path in (cache / "images").glob("*.json"):
        with suppress(OSError):
            if entry := read_entry(path):
                row = Folder.name if entry.name.startswith(PREFIX) else entry.name
                sizes.setdefault(row, set()).add(entry.extent)
    return sizes
