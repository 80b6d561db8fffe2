"""Names of data sets that are folders: absolute, and one name for the same images in several folders."""

from collections.abc import Iterable
from contextlib import suppress

import pandas as pd

from bench.datasets import located
from bench.datasets.folder import PREFIX
from bench.system.errors import RequestError


def as_recorded(names: Iterable[str] | None) -> list[str] | None:
    """Return names of data sets as runs record them; an unknown name stays as it is, and None is None."""
    if names is None:
        return None
    found = []
    for name in names:
        with suppress(RequestError):
            name = located(name)
        found.append(name)
    return found


def with_one_name(frame: pd.DataFrame) -> pd.DataFrame:
    """Name runs on the same images in several folders by the first of these runs' folder.

    Parameters
    ----------
    frame : DataFrame
        Runs, oldest first, with columns ``dataset`` and ``data_hash``.
    """
    in_folders = frame["dataset"].map(lambda name: str(name).startswith(PREFIX)).astype(bool)
    if not in_folders.any():
        return frame
    first = frame[in_folders].groupby("data_hash")["dataset"].transform("first")
    return frame.assign(dataset=frame["dataset"].where(~in_folders, first.reindex(frame.index)))
