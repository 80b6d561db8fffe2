"""Which storage a study's address means."""

from pathlib import Path

from bench.errors import RequestError
from bench.searching.journal_storage import JournalStorage
from bench.searching.postgres_storage import PostgresStorage
from bench.searching.storage import Storage


def open_storage(url: str | None, folder: Path, study: str, grace: int) -> Storage:
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
