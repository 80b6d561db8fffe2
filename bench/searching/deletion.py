"""Deletion of studies: the runs of the trials, all runs in the tracking store, the storage, the folder.

The folder comes last: as long as it is there, a deletion that was cut off is finished by repeating it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna

from bench.execution.deletion import delete_runs, held, remove_folder, store_deletion, store_of
from bench.execution.progress import Progress
from bench.runs.run_folder import RunFolder, survey
from bench.searching.journal_storage import JOURNAL
from bench.searching.storage import Storage
from bench.searching.study_list import storage_of
from bench.system.errors import RequestError


def runs_of(study: str) -> list[RunFolder]:
    """Return the runs of a study's trials on this machine, oldest first."""
    return [run for run, found in survey().runs if found.study and found.study.name == study]


@contextmanager
def idle(folder: Path, url: str | None) -> Iterator[Storage]:
    """Lead a study, so that no command begins it, and yield its storage.

    Raises
    ------
    RequestError
        If the study or one of its runs is in progress, or it is in a database whose address is not given.
    """
    storage = storage_of(folder, url)
    if storage is None:
        raise RequestError(
            f"study {folder.name} is kept in a database: give its address by --storage or BENCH_STORAGE"
        )
    if storage.is_busy() or not storage.acquire_leadership():
        raise RequestError(f"study {folder.name} is in progress: nothing was deleted")
    try:
        with held(runs_of(folder.name)):
            pass
        yield storage
    finally:
        storage.release_leadership()


def delete_study(folder: Path, url: str | None, progress: Progress) -> None:
    """Delete a study.

    Parameters
    ----------
    folder : Path
        The study's folder.
    url : str or None
        Address of its database, if it has no journal.
    progress : Progress
        Prints what was deleted.

    Raises
    ------
    RequestError
        As :func:`idle`; nothing is deleted then.
    WorkError
        If a store cannot be reached; the command can be repeated.
    """
    name = folder.name
    with idle(folder, url) as storage:
        delete_runs(runs_of(name), Progress(quiet=True))
        address = store_of(None)
        if address:
            with store_deletion() as tracker:
                tracker.delete_study(name, address)
        if not (folder / JOURNAL).exists():
            try:
                optuna.delete_study(study_name=name, storage=storage.optuna)
            except KeyError:
                # deleted before this command was cut off
                progress.info(f"the database does not know {name} any more")
        remove_folder(folder)
    progress.info(f"deleted {name}")


def check_idle(chosen: Sequence[Path], url: str | None) -> None:
    """Raise RequestError if one of several studies cannot be deleted."""
    for folder in chosen:
        with idle(folder, url):
            pass
