"""What is known of a data set by its name, without its files."""

import os
from pathlib import Path
from typing import NamedTuple

from bench.datasets.arrays import KnownModes
from bench.datasets.folder import PREFIX, Folder
from bench.datasets.registry import (
    DATASETS,
    Dataset,
    ImageDataset,
    JudgedBy,
    PointDataset,
    class_of,
    classes,
    find,
)
from bench.system.errors import RequestError, shown


def label(name: str) -> str:
    """Return the name of a data set for figures and tables, which shortens the path of ``folder:PATH``."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{Path(path).name}" if colon else name


def located(name: str) -> str:
    """Return the name of a data set as runs record it: the path of a folder is absolute.

    Raises
    ------
    RequestError
        If no data set has that name; a folder may be absent.
    """
    return class_of(name).located(name)


def is_present(name: str) -> bool:
    """Whether a data set can be used, as far as its name says: false for a folder that is absent."""
    try:
        find(name)
    except RequestError:
        return False
    return True


class Place(NamedTuple):
    """Where data lie: the name of their data set, and the folder of published ones (None: the default)."""

    name: str
    data_root: str | None


def moved(name: str, folder: Path) -> Place:
    """Return the place of the data of a data set that were moved to a folder.

    Parameters
    ----------
    name : str
        The data set, as recorded.
    folder : Path
        The folder or zip file of ``folder:PATH``, or the folder of the published data sets for one of these.

    Raises
    ------
    RequestError
        If the folder lacks files of the data set, or the data set has no files of the user's.
    """
    kind = class_of(name)
    if issubclass(kind, Folder):
        return Place(kind.located(f"{PREFIX}{folder}"), None)
    root = Path(os.path.abspath(folder))
    dataset = kind.from_name(name)
    if not isinstance(dataset, ImageDataset) or not dataset.in_data_root:
        raise RequestError(f"--data {shown(str(folder))}: {name} has no folder: its data are {kind.source}")
    if missing := dataset.missing(root):
        raise RequestError(f"--data {shown(str(folder))} lacks {name}: {missing}")
    return Place(name, str(root))


def preset_of(name: str) -> str:
    """Return the default preset of the variants for runs on a data set.

    Raises
    ------
    RequestError
        If no data set has that name; a folder may be absent.
    """
    return class_of(name).preset


def judged_by(name: str) -> JudgedBy:
    """Return the kind of judge for the samples of a data set.

    Raises
    ------
    RequestError
        As `preset_of`.
    """
    return class_of(name).judged_by


def known_modes(name: str) -> KnownModes | None:
    """Return the modes of the distribution that a data set of points is drawn from; None for images.

    Raises
    ------
    RequestError
        If there is no such data set.
    """
    dataset = find(name)
    return KnownModes(dataset.centres(), dataset.deviation) if isinstance(dataset, PointDataset) else None


def content(name: str) -> str:
    """Return what the samples of a data set show, as extractors name it; empty where this is not known.

    Raises
    ------
    RequestError
        As `preset_of`.
    """
    return class_of(name).content


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of a data set's classes, by number; empty for a data set without labels.

    A folder is listed; no file is read. An absent folder has no classes.

    Raises
    ------
    RequestError
        If no data set has that name.
    """
    kind = class_of(name)
    try:
        return kind.from_name(name).class_names()
    except RequestError:
        return ()


def require_labels(name: str, reason: str) -> None:
    """Raise RequestError if a data set has no labels; the message ends with the reason for the request.

    Raises
    ------
    RequestError
        Also as :func:`require_dataset`.
    """
    if not find(name).class_names():
        labelled = [known for known, kind in classes().items() if _has_classes(known, kind)]
        raise RequestError(
            f"dataset {shown(name)} has no labels, {reason}: allowed are {', '.join(labelled)}, "
            "and a folder with a subfolder for each class"
        )


def _has_classes(name: str, kind: type[Dataset]) -> bool:
    try:
        return bool(kind().class_names())
    except Exception as error:  # a data set of another package may raise anything
        DATASETS.pass_over(name, error)
        return False


def sample_shape(name: str, image_size: int | None, channels: int | None) -> tuple[int, ...]:
    """Return the shape of one sample of a data set.

    Parameters
    ----------
    name : str
        A registered name, or ``folder:PATH``, whose folder may be absent.
    image_size : int or None
        Side in pixels; None for points.
    channels : {1, 3} or None
        Grey, RGB, or the data set's default; None for points.

    Returns
    -------
    tuple of int
        (channels, image_size, image_size) for images, (2,) for points.

    Raises
    ------
    RequestError
        If there is no such data set, or the data set has no samples of that shape.
    """
    return class_of(name).sample_shape(image_size, channels)
