"""What is known of a data set by its name, without its files."""

from pathlib import Path

from bench.datasets.registry import JudgedBy, class_of, classes, find
from bench.system.errors import RequestError, shown


def label(name: str) -> str:
    """Return the name of a data set for figures and tables, which shortens the path of ``folder:PATH``."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{Path(path).name}" if colon else name


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
        labelled = [known for known, kind in classes().items() if kind().class_names()]
        raise RequestError(
            f"dataset {shown(name)} has no labels, {reason}: allowed are {', '.join(labelled)}, "
            "and a folder with a subfolder for each class"
        )


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
