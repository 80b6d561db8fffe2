"""Storage in a PostgreSQL database, for processes of several hosts."""

import time
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from bench.searching.storage import WORKER, StorageAway, away
from bench.system.store_address import redacted

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

BEATS_PER_GRACE = 6
# limits how long a host that lost its network holds its locks
KEEPALIVES = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


class PostgresStorage:
    """A storage in a PostgreSQL database; workers send heartbeats.

    Parameters
    ----------
    url : str
        As for SQLAlchemy, ``postgresql://USER@HOST/DATABASE``.
    study : str
        Name of the study; the names of the database's locks contain it.
    grace : int
        Seconds without a heartbeat after which a trial's worker counts as dead.

    Raises
    ------
    WorkError
        If the database cannot be reached.
    """

    def __init__(self, url: str, study: str, grace: int) -> None:
        self.grace = grace
        self._address = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._study = study
        self._leadership: Connection[TupleRow] | None = None
        self._reached_since: float | None = None
        driver = self._address.replace("postgresql://", "postgresql+psycopg://", 1)
        # tables are created and migrated by one process at a time
        with self._lock("began-bench tables"), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.optuna: BaseStorage = RDBStorage(
                driver,
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=max(1, grace // BEATS_PER_GRACE),
                grace_period=grace,
            )

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study's advisory lock, which the database frees when the connection ends."""
        with self._lock(f"exclusive {self._study}"):
            yield

    def acquire_leadership(self) -> bool:
        """Acquire the leader's advisory lock, if it is free; return whether this process holds it."""
        import psycopg

        try:
            if self._leadership is None:
                connection = self._connect()
                if not _call(connection, "pg_try_advisory_lock", f"leader {self._study}"):
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
    def worker_lease(self, worker: str) -> Iterator[None]:
        """Do nothing: trials send heartbeats, not workers."""
        yield

    def claim(self, trial: Trial, worker: str) -> None:
        """Record the first heartbeat, then the owner: a trial with an owner has a heartbeat."""
        assert isinstance(self.optuna, RDBStorage)
        self.optuna.record_heartbeat(trial._trial_id)
        trial.set_user_attr(WORKER, worker)

    @contextmanager
    def heartbeat(self, trial: Trial) -> Iterator[None]:
        """Send heartbeats from a thread, which skips them while the database is away."""
        storage = self.optuna
        assert isinstance(storage, RDBStorage)
        over = Event()

        def beat() -> None:
            while not over.wait(self.grace / BEATS_PER_GRACE):
                with suppress(*away()):
                    storage.record_heartbeat(trial._trial_id)

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def stale_trials(self, study: Study) -> list[FrozenTrial]:
        """Return the running trials without an owner, or without a heartbeat within the grace period."""
        storage = self.optuna
        assert isinstance(storage, RDBStorage)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        # asking and claiming share an exclusive block: without an owner, the worker died inside the block
        dead = [trial for trial in running if WORKER not in trial.user_attrs]
        # a database that was away has missed heartbeats of living workers
        if self._reached_since and time.monotonic() - self._reached_since > self.grace:
            stale = set(storage._get_stale_trial_ids(study._study_id))
            dead += [trial for trial in running if trial._trial_id in stale and trial not in dead]
        return dead

    def release_leadership(self) -> None:
        """Release the leader's advisory lock, with its connection."""
        if self._leadership is not None:
            self._leadership.close()
        self._leadership = self._reached_since = None

    def is_busy(self) -> bool:
        """Whether the leader's advisory lock is held."""
        if self._leadership is not None:
            return False
        connection = self._connect()
        try:
            return not _call(connection, "pg_try_advisory_lock", f"leader {self._study}")
        finally:
            connection.close()

    def count_other_workers(self, own: Collection[str]) -> int:
        """Return 0: heartbeats do not carry a host."""
        return 0

    def _connect(self) -> "Connection[TupleRow]":
        import psycopg

        with _errors_in_one_line():
            connection = psycopg.connect(self._address, autocommit=True, connect_timeout=10)
            for name, value in KEEPALIVES.items():
                connection.execute(f"set {name} = {value}")
            return connection

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        connection = self._connect()
        try:
            _call(connection, "pg_advisory_lock", name)
            yield
        finally:
            connection.close()


def _call(connection: "Connection[TupleRow]", function: str, name: str) -> bool:
    """Call a lock function of the database with a name, which is hashed to 64 bits."""
    with _errors_in_one_line():
        row = connection.execute(f"select {function}(hashtextextended(%s, 0))", (name,)).fetchone()
        return bool(row and row[0])


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Raise StorageAway, in one line without secrets, instead of the driver's errors."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise StorageAway(f"storage cannot be reached: {' '.join(redacted(str(error)).split())}") from None
