"""Opens a tracking store within a deadline, with errors in one line.

MLflow waits for stores without end, retries for minutes and logs whole tracebacks. Here every call has a
deadline. A call that takes longer ends the tracking process by SIGALRM, because nothing else interrupts a
database driver or a kernel that waits for a disk; the training process then reports the cause.
"""

import logging
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout
from mlflow import MlflowClient

from bench.system import store_address
from bench.system.atomic_files import replacing
from bench.system.errors import WorkError
from bench.system.leftovers import remove_leftovers
from bench.system.store_address import StoreAddress, redacted
from bench.tracking.patience import PATIENCE_SECONDS
from bench.tracking.store_choice import default_store

# the tracking process tries again by itself; a repeated request would create a run twice
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(max(1, int(PATIENCE_SECONDS / 3))))
os.environ.setdefault("PGCONNECT_TIMEOUT", str(max(2, int(PATIENCE_SECONDS / 3))))
# the link has the credentials in it
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

UPLOADS = ("log_artifact", "log_model_artifacts")
UPLOAD_BYTES_PER_SECOND = 2**20  # slower than this counts as not answering
ARTIFACTS = "artifacts"
SQLITE_HEAD = b"SQLite format 3\0"


class StoreLost(WorkError):
    """The open store's file was deleted or replaced."""


@contextmanager
def deadline(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Run a block or a function; if that takes longer, SIGALRM ends this process."""
    outer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *outer)


class DeadlineClient(MlflowClient):
    """An MlflowClient whose every call must be answered within a deadline."""

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if name.startswith("_") or name in UPLOADS or not callable(attribute):
            return attribute
        return deadline()(attribute)

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Upload a file; a large file may take longer."""
        with deadline(PATIENCE_SECONDS + Path(local_path).stat().st_size / UPLOAD_BYTES_PER_SECOND):
            super().log_artifact(run_id, local_path, artifact_path)

    def log_model_artifacts(self, model_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        """Upload the files of a model; large files may take longer."""
        size = sum(path.stat().st_size for path in Path(local_dir).rglob("*"))
        with deadline(PATIENCE_SECONDS + size / UPLOAD_BYTES_PER_SECOND):
            super().log_model_artifacts(model_id, local_dir, artifact_path)


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes
    ----------
    client : MlflowClient
        The store's client.
    address : StoreAddress
        The store's address.
    results : Path
        The folder mlruns/, with the artifacts of stores on this machine.
    identity : tuple of int or None
        Device and inode of an SQLite store's file.
    """

    client: MlflowClient
    address: StoreAddress
    results: Path
    identity: tuple[int, int] | None = None

    def check_file(self) -> None:
        """Raise StoreLost if the store's file was deleted or replaced, which the open file does not show."""
        path = self.address.file
        if self.identity and path and _identity(path) != self.identity:
            raise StoreLost(f"{path} was deleted or replaced")


def open_store(address: StoreAddress, results: Path) -> Store:
    """Open a tracking store; an SQLite store is created and migrated by one process at a time.

    Raises
    ------
    WorkError
        If the store cannot be opened; one line without secrets.
    """
    _silence_libraries()
    try:
        if address.file is None:
            return Store(_client(address), address, results)
        _check_file(address.file)
        results.mkdir(parents=True, exist_ok=True)
        with FileLock(results / ".mlflow.lock", timeout=PATIENCE_SECONDS):
            if not address.file.exists() or address.file.stat().st_size == 0:
                _create_database(address.file, results / ARTIFACTS)
            client = _client(address)
            if address.is_same(default_store()):
                _relocate(address.file, results / ARTIFACTS)
        return Store(client, address, results, _identity(address.file))
    except Timeout:
        raise WorkError(f"{address.shown}: another process is opening it") from None
    except WorkError:
        raise
    except Exception as error:
        raise WorkError(f"{address.shown} cannot be opened: {one_line(error)}") from None


def one_line(error: Exception) -> str:
    """Return an error's message as one line, without secrets, SQL statements and links."""
    text = " ".join(redacted(str(error) or type(error).__name__).split())
    for mark in (" [SQL:", " (Background on this error"):
        text = text.partition(mark)[0]
    return text[:300]


def _client(address: StoreAddress) -> MlflowClient:
    if not address.is_server:
        # MLflow would try ten times, for minutes, before it reports a database that is away
        with deadline():
            sqlalchemy.inspect(sqlalchemy.create_engine(address.full, poolclass=sqlalchemy.NullPool))
    with deadline():
        client = DeadlineClient(tracking_uri=address.full)
    if not address.is_server:
        client.search_experiments(max_results=1)
    return client


def _silence_libraries() -> None:
    """Stop the libraries from logging: a problem is an exception, and reported once."""
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise WorkError(f"{path} is a folder, not a database")
    if not path.exists():
        return
    if not path.is_file():
        raise WorkError(f"{path} is no regular file")
    with path.open("rb") as file:
        head = file.read(len(SQLITE_HEAD))
    if head and head != SQLITE_HEAD:
        raise WorkError(f"{path} is not an SQLite database")


def _create_database(path: Path, artifacts: Path) -> None:
    """Create an SQLite store under a temporary name, and rename it when all tables are created.

    MLflow creates the tables in dozens of migrations. A kill between two of them leaves a file that no later
    process can open or complete.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, depth=0)
    with replacing(path, durable=True) as aside, deadline():
        SqlAlchemyStore(store_address.of_file(aside).full, artifacts.as_uri()).engine.dispose()


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _relocate(path: Path, artifacts: Path) -> None:
    """Point the default store at the artifacts beside it, after mlruns/ was moved or copied."""
    new = artifacts.as_uri()
    with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS / 2)) as connection, connection:
        known = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (old,) in known:
            if old == new or not str(old).startswith("file:") or not old.endswith(f"/mlruns/{ARTIFACTS}"):
                continue
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (new, old)
            )
            for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                )
