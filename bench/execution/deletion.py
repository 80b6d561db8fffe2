"""Deletion of runs: what the tracking store has of them, then their folders.

The store comes first, since only the folder knows it. Then the folder is renamed out of ``mlruns/runs``, and
its files are deleted. A deletion that was killed is finished by the next one.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout

from bench.execution.progress import Progress
from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.runs.run_names import with_hyphens
from bench.system import paths
from bench.system.errors import RequestError, WorkError
from bench.system.store_address import StoreAddress
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store, store_at_resume


def pending() -> Path:
    """Return the folder of what is being deleted."""
    return paths.results() / "deleting"


def finish_pending() -> set[str]:
    """Finish the deletions that were killed; return the ids and names of these runs and studies."""
    names: set[str] = set()
    for folder in sorted(pending().glob("*")):
        names.add(folder.name)
        if found := described(RunFolder(folder)):
            # either way of writing it, as for a run that is there
            names |= {found.name, with_hyphens(found.name)}
        _empty(folder)
    return names


def remove_folder(folder: Path) -> None:
    """Delete a folder; from the first moment on it is no run or study any more."""
    target = pending() / folder.name
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    _empty(target)


def _empty(folder: Path) -> None:
    # run.json last: a deletion that is killed can still be named by the run's name
    description = RunFolder(folder).description_path
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != description:
            path.unlink()
    shutil.rmtree(folder)


def described(run: RunFolder) -> RunDescription | None:
    """Return the description of a run, None if it is damaged."""
    try:
        return run.describe()
    except WorkError:
        return None


@contextmanager
def held(runs: Sequence[RunFolder]) -> Iterator[None]:
    """Hold runs, so that nothing trains or sends them.

    Raises
    ------
    RequestError
        If one of the runs is in progress.
    """
    with ExitStack() as stack:
        for run in runs:
            found = described(run)
            name = found.name if found else run.id
            for lock, doing in (
                (run.lock(), "is being trained"),
                (run.sending_lock(), "is being sent to its tracking store"),
            ):
                try:
                    stack.enter_context(lock)
                except Timeout:
                    raise RequestError(f"run {name} {doing}: nothing was deleted") from None
        yield


def delete_runs(runs: Sequence[RunFolder], progress: Progress) -> None:
    """Delete runs: each from its tracking store, with its artifacts, and its folder.

    Parameters
    ----------
    runs : sequence of RunFolder
        The runs. Of a run with a damaged description, the present store is searched.
    progress : Progress
        Prints the runs that were deleted.

    Raises
    ------
    RequestError
        If a run is in progress; nothing is deleted then.
    WorkError
        If a store cannot be reached; the runs before are deleted, and the command can be repeated.
    """
    with held(runs), store_deletion() as tracker:
        for run in runs:
            found = described(run)
            address = store_of(found)
            if address:
                tracker.delete_runs([run.id], address)
            remove_folder(run.path)
            progress.info(f"deleted {found.name if found else run.id}")


def store_of(description: RunDescription | None) -> StoreAddress | None:
    """Return the store that has a run, None if there is none."""
    if description is not None and description.tracking is None:
        return None
    address = store_at_resume(description.tracking)[0] if description else current_store()
    # a store that was never made, or was deleted, has nothing
    return None if address.file and not address.file.exists() else address


@contextmanager
def store_deletion() -> Iterator[TrackingProcess]:
    """Yield a tracking process, and end it."""
    tracker = TrackingProcess()
    try:
        yield tracker
    finally:
        tracker.close()
