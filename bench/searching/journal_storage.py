"""Studies in a journal file: for the processes of one host."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from optuna.storages import JournalStorage as OptunaJournal
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from bench.runs.record import cut_torn_line
from bench.searching.storage import WORKER
from bench.system.errors import WorkError

JOURNAL = "journal.log"


class JournalStorage:
    """A journal file on a disk of this host.

    Parameters
    ----------
    folder : Path
        Takes the journal and the locks; the system frees a lock when its process dies.

    Raises
    ------
    WorkError
        If the journal is broken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder / JOURNAL
        lock: Any = AppendLock(journal)
        try:
            self.optuna: BaseStorage = OptunaJournal(JournalFileBackend(str(journal), lock_obj=lock))
        except ValueError as error:
            raise WorkError(f"{journal} is broken: {error}") from None
        self._leadership = FileLock(folder / ".leader.lock", timeout=0)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study's lock file."""
        with FileLock(self.folder / ".exclusive.lock"):
            yield

    def acquire_leadership(self) -> bool:
        """Hold, or try to take, the leader's lock file."""
        with suppress(Timeout):
            if not self._leadership.is_locked:
                self._leadership.acquire()
        return bool(self._leadership.is_locked)

    @contextmanager
    def worker_lease(self, worker: str) -> Iterator[None]:
        """Hold the worker's lock file."""
        lock = self._lease(worker)
        # whoever asks whether it is held holds it for a moment
        lock.acquire(timeout=10)
        try:
            yield
        finally:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def claim(self, trial: Trial, worker: str) -> None:
        """Note the owner."""
        trial.set_user_attr(WORKER, worker)

    @contextmanager
    def heartbeat(self, trial: Trial) -> Iterator[None]:
        """Do nothing: a trial lives as long as its worker."""
        yield

    def stale_trials(self, study: Study) -> list[FrozenTrial]:
        """Those whose worker's lock is free."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if not self._is_held(trial.user_attrs.get(WORKER))]

    def count_other_workers(self, own: Collection[str]) -> int:
        """Count the others' lock files that are held."""
        found = {path.stem for path in (self.folder / "workers").glob("*.lock")}
        return sum(map(self._is_held, found.difference(own)))

    def _lease(self, worker: str) -> FileLock:
        (self.folder / "workers").mkdir(exist_ok=True)
        return FileLock(self.folder / "workers" / f"{worker}.lock", timeout=0)

    def _is_held(self, worker: str | None) -> bool:
        if worker is None:
            return False
        try:
            with self._lease(worker) as lease:
                # while it is held: a worker that starts just now sees that it is gone, and makes another
                Path(lease.lock_file).unlink(missing_ok=True)
        except Timeout:
            return True
        return False


class AppendLock:
    """Lets one process at a time append to a journal, and cuts off what a killed one left unfinished.

    Optuna's own locks are files that outlive a killed process and are waited for.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self._lock = FileLock(journal.with_name(f".{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        cut_torn_line(self.journal)
        return True

    def release(self) -> None:
        """Let go."""
        self._lock.release()
