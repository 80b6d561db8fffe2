"""Where a study is kept, and who lives: a journal file for one host, PostgreSQL for several.

Beside Optuna's own storage each gives what several processes need to share a study: exclusive
sections, one leader, and a way to tell trials whose worker has died.
"""

import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol, TypeVar

from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages import JournalStorage as OptunaJournal
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DBAPIError

from bench.errors import RequestError, WorkError
from bench.record import cut_torn_line

JOURNAL = "journal.log"
WORKER = "worker"  # user attribute of a trial: who trains it
GRACE_SECONDS = 30  # without a heartbeat, where the study file says nothing else
BEATS_OF_A_GRACE = 6
PATIENCE_SECONDS = 600.0  # how long a database may be away
RETRY_SECONDS = 1.0
# a host that vanished without a word holds its locks no longer than this
KEEPALIVES = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}

Result = TypeVar("Result")


class StorageAway(WorkError):
    """The storage cannot be reached now."""


class Storage(Protocol):
    """A place for studies.

    Attributes
    ----------
    optuna : BaseStorage
        The same for Optuna.
    """

    optuna: BaseStorage

    def exclusive(self) -> AbstractContextManager[None]:
        """A block that one process at a time may be in, on whatever host."""

    def lead(self) -> bool:
        """Whether this process leads the study: one at a time does, until it ends."""

    def alive(self, worker: str) -> AbstractContextManager[None]:
        """A block during which a worker counts as alive."""

    def claim(self, trial: Trial, worker: str) -> None:
        """Make a worker the owner of a trial that was just asked for; in the same exclusive block."""

    def beat(self, trial: Trial) -> AbstractContextManager[None]:
        """A block during which a trial counts as being trained."""

    def dead(self, study: Study) -> list[FrozenTrial]:
        """Running trials that nobody trains; to be asked in an exclusive block."""

    def workers_here(self) -> int | None:
        """Living workers of this study on this host, whoever started them; None if that is not known."""


class JournalStorage:
    """A journal file on a disk of this host.

    Parameters
    ----------
    folder : Path
        Takes the journal and the locks; the system frees a lock when its process dies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder / JOURNAL
        lock: Any = AppendLock(journal)
        self.optuna: BaseStorage = OptunaJournal(JournalFileBackend(str(journal), lock_obj=lock))
        self._leadership = FileLock(folder / ".leader.lock", timeout=0)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study's lock file."""
        with FileLock(self.folder / ".exclusive.lock"):
            yield

    def lead(self) -> bool:
        """Hold, or try to take, the leader's lock file."""
        with suppress(Timeout):
            if not self._leadership.is_locked:
                self._leadership.acquire()
        return bool(self._leadership.is_locked)

    @contextmanager
    def alive(self, worker: str) -> Iterator[None]:
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
    def beat(self, trial: Trial) -> Iterator[None]:
        """Do nothing: a trial lives as long as its worker."""
        yield

    def dead(self, study: Study) -> list[FrozenTrial]:
        """Those whose worker's lock is free."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if not self._is_held(trial.user_attrs.get(WORKER))]

    def workers_here(self) -> int:
        """Count the lock files that are held."""
        return sum(self._is_held(path.stem) for path in (self.folder / "workers").glob("*.lock"))

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


class PostgresStorage:
    """A PostgreSQL database that several hosts reach. Workers show by heartbeats that they live.

    Parameters
    ----------
    url : str
        As for SQLAlchemy, ``postgresql://USER@HOST/DATABASE``.
    study : str
        Name of the study, from which the database's locks are named.
    grace : int
        Seconds without a heartbeat after which a trial's worker counts as dead.

    Raises
    ------
    WorkError
        If the database cannot be reached.
    """

    def __init__(self, url: str, study: str, grace: int = GRACE_SECONDS) -> None:
        self.grace = grace
        self._address = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._study = study
        self._leadership: Any = None
        self._reached_since: float | None = None
        driver = self._address.replace("postgresql://", "postgresql+psycopg://", 1)
        # tables are created and migrated by one process at a time
        with self._lock("began-bench tables"), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.optuna: BaseStorage = RDBStorage(
                driver,
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=max(1, grace // BEATS_OF_A_GRACE),
                grace_period=grace,
            )

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study's advisory lock, which the database frees when the connection ends."""
        with self._lock(f"exclusive {self._study}"):
            yield

    def lead(self) -> bool:
        """Hold, or try to take, the leader's advisory lock."""
        import psycopg

        try:
            if self._leadership is None:
                connection = self._connect()
                if not _fetch(connection, "pg_try_advisory_lock", f"leader {self._study}"):
                    connection.close()
                    return False
                self._leadership = connection
            self._leadership.execute("select 1")
        except (psycopg.Error, StorageAway):
            self._leadership = self._reached_since = None
            return False
        if self._reached_since is None:
            self._reached_since = time.monotonic()
        return True

    @contextmanager
    def alive(self, worker: str) -> Iterator[None]:
        """Do nothing: heartbeats are a trial's."""
        yield

    def claim(self, trial: Trial, worker: str) -> None:
        """Record the first heartbeat, then the owner: whoever has an owner can be missed."""
        assert isinstance(self.optuna, RDBStorage)
        self.optuna.record_heartbeat(trial._trial_id)
        trial.set_user_attr(WORKER, worker)

    @contextmanager
    def beat(self, trial: Trial) -> Iterator[None]:
        """Record heartbeats from a thread; a database that is away gets them when it is back."""
        storage = self.optuna
        assert isinstance(storage, RDBStorage)
        over = Event()

        def beat() -> None:
            while not over.wait(self.grace / BEATS_OF_A_GRACE):
                with suppress(*away()):
                    storage.record_heartbeat(trial._trial_id)

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def dead(self, study: Study) -> list[FrozenTrial]:
        """Those without a heartbeat, or with none for too long, once we could have seen one."""
        storage = self.optuna
        assert isinstance(storage, RDBStorage)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        # asked for and owned in one exclusive block: without an owner its worker died in there
        dead = [trial for trial in running if WORKER not in trial.user_attrs]
        # a database that was away has missed heartbeats of the living
        if self._reached_since and time.monotonic() - self._reached_since > self.grace:
            stale = set(storage._get_stale_trial_ids(study._study_id))
            dead += [trial for trial in running if trial._trial_id in stale and trial not in dead]
        return dead

    def workers_here(self) -> None:
        """Heartbeats do not say where they come from."""
        return

    def _connect(self) -> Any:
        import psycopg

        try:
            connection = psycopg.connect(self._address, autocommit=True, connect_timeout=10)
            for name, value in KEEPALIVES.items():
                connection.execute(f"set {name} = {value}")
            return connection
        except psycopg.Error as error:
            raise StorageAway(f"storage cannot be reached: {' '.join(str(error).split())}") from None

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        connection = self._connect()
        try:
            _fetch(connection, "pg_advisory_lock", name)
            yield
        finally:
            connection.close()


def _fetch(connection: Any, function: str, name: str) -> Any:
    """Call a lock function of the database; names become the 64-bit numbers that it wants."""
    import psycopg

    try:
        return connection.execute(f"select {function}(hashtextextended(%s, 0))", (name,)).fetchone()[0]
    except psycopg.Error as error:
        raise StorageAway(f"storage cannot be reached: {' '.join(str(error).split())}") from None


def open_storage(url: str | None, folder: Path, study: str, grace: int = GRACE_SECONDS) -> Storage:
    """Open a storage, making what is not there.

    Parameters
    ----------
    url : str or None
        ``postgresql://...``; a journal file in `folder` where not given.
    folder : Path
        The study's folder.
    study : str
        The study's name.
    grace : int
        Seconds without a heartbeat after which a worker counts as dead, where others' locks cannot be seen.

    Raises
    ------
    RequestError
        If it is another kind of storage, or its driver is not installed.
    WorkError
        If it cannot be reached.
    """
    if url is None:
        return JournalStorage(folder)
    check(url)
    return PostgresStorage(url, study, grace)


def check(url: str) -> None:
    """RequestError if a storage is none that can be used."""
    scheme = url.partition("://")[0]
    if scheme not in ("postgresql", "postgresql+psycopg"):
        raise RequestError(
            f"--storage {scheme!r}: give postgresql://USER@HOST/DATABASE, or nothing for a journal file "
            "on this host (SQLite loses trials when several processes write)"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise RequestError("--storage: PostgreSQL needs psycopg: install 'began-bench[postgresql]'") from None


def without_passwords(word: str) -> str:
    """A word of a command line that may be shown: a database's password is left out."""
    return re.sub(r"(postgresql(?:\+psycopg)?://[^:/@\s]*):[^@\s]*@", r"\1:***@", word)


def away() -> tuple[type[Exception], ...]:
    """The errors by which a storage that is away for a while shows itself."""
    return (StorageInternalError, DBAPIError, StorageAway)


def patiently(work: Callable[[], Result]) -> Result:
    """Do something with a storage, again and again while it is away.

    Raises
    ------
    StorageAway
        If it stays away for PATIENCE_SECONDS.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except away() as error:
            if time.monotonic() > deadline:
                reason = " ".join(str(error).split())[:200]
                raise StorageAway(f"storage stayed away for {PATIENCE_SECONDS:.0f} s: {reason}") from None
            time.sleep(RETRY_SECONDS)
