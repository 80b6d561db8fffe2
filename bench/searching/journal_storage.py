"""Storage in a journal file, for the processes of one host."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from optuna.storages import JournalStorage as OptunaJournal
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from bench.runs.record import cut_torn_line
from bench.searching.storage import WORKER
from bench.system.errors import WorkError

JOURNAL = "journal.log"


class JournalStorage:
    """A storage in a journal file on a disk of this host.

    Parameters
    ----------
    folder : Path
        Folder of the journal and the lock files; the system frees a lock when its process dies.

    Raises
    ------
    WorkError
        If the journal is broken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder / JOURNAL
        try:
            self.optuna: BaseStorage = OptunaJournal(JournalFileBackend(str(journal), AppendLock(journal)))
        except ValueError as error:
            raise WorkError(f"{journal} is broken: {error}") from None
        self._leadership = FileLock(folder / ".leader.lock", timeout=0)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study's lock file."""
        with FileLock(self.folder / ".exclusive.lock"):
            yield

    def acquire_leadership(self) -> bool:
        """Acquire the leader's lock file, if it is free; return whether this process holds it."""
        with suppress(Timeout):
            if not self._leadership.is_locked:
                self._leadership.acquire()
        return bool(self._leadership.is_locked)

    @contextmanager
    def worker_lease(self, worker: str) -> Iterator[None]:
        """Hold the worker's lock file."""
        lock = self._lease(worker)
        # another process may hold it for a moment to see whether it is free
        lock.acquire(timeout=10)
        try:
            yield
        finally:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def claim(self, trial: Trial, worker: str) -> None:
        """Record the owner."""
        trial.set_user_attr(WORKER, worker)

    @contextmanager
    def heartbeat(self, trial: Trial) -> Iterator[None]:
        """Do nothing: a trial is alive as long as its worker holds its lock file."""
        yield

    def stale_trials(self, study: Study) -> list[FrozenTrial]:
        """Return the running trials whose worker's lock file is free."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if not self._is_held(trial.user_attrs.get(WORKER))]

    def release_leadership(self) -> None:
        """Release the leader's lock file."""
        self._leadership.release()

    def is_busy(self) -> bool:
        """Whether the leader's lock file, or that of a worker, is held."""
        if self._leadership.is_locked:
            return False
        try:
            with FileLock(self.folder / ".leader.lock", timeout=0):
                return self.count_other_workers(()) > 0
        except Timeout:
            return True

    def count_other_workers(self, own: Collection[str]) -> int:
        """Count the held lock files of other commands' workers."""
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
                # unlinked while held: a worker that starts now sees that it is gone, and creates another
                Path(lease.lock_file).unlink(missing_ok=True)
        except Timeout:
            return True
        return False


class AppendLock(JournalFileOpenLock):
    """Lock for appending to a journal, which first cuts off the half line of a killed process.

    Optuna's own locks are files that outlive a killed process, and every other process waits 30 s for them.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self.journal = journal
        self._lock = FileLock(journal.with_name(f".{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock, then remove a half line at the end of the journal."""
        self._lock.acquire()
        cut_torn_line(self.journal)
        return True

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()
