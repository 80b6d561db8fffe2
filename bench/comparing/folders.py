"""Names of data sets that are folders: absolute, and one name for the same images in several folders."""

from collections.abc import Iterable
from contextlib import suppress

import pandas as pd

from bench.datasets import label, located
from bench.datasets.folder import PREFIX
from bench.system.errors import RequestError


def as_recorded(names: Iterable[str] | None, recorded: Iterable[str]) -> list[str] | None:
    """Return names of data sets as runs record them; an unknown name stays as it is, and None is None.

    Parameters
    ----------
    names : iterable of str, optional
        Names as people type them: a folder also as tables print it (``folder:NAME``), or by its own name.
    recorded : iterable of str
        The names of the runs' data sets.
    """
    if names is None:
        return None
    known = set(recorded)
    return [_as_recorded(name, known) for name in names]


def _as_recorded(name: str, recorded: set[str]) -> str:
    whole = name
    with suppress(RequestError):
        whole = located(name)
    if whole in recorded:
        return whole
    printed = [each for each in recorded if each.startswith(PREFIX) and name in _printed(each)]
    # the same name of several folders names none
    return printed[0] if len(printed) == 1 else name


def _printed(name: str) -> tuple[str, str]:
    return label(name), label(name).removeprefix(PREFIX)


def with_one_name(frame: pd.DataFrame) -> pd.DataFrame:
    """Name runs on the same images in several folders by the folder of the newest of these runs.

    Parameters
    ----------
    frame : DataFrame
        Runs, oldest first, with columns ``dataset`` and ``data_hash``.
    """
    in_folders = frame["dataset"].map(lambda name: str(name).startswith(PREFIX)).astype(bool)
    if not in_folders.any():
        return frame
    newest = frame[in_folders].groupby("data_hash")["dataset"].transform("last")
    return frame.assign(dataset=frame["dataset"].where(~in_folders, newest.reindex(frame.index)))
