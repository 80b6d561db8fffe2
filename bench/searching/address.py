"""Which storage a study's address means."""

from pathlib import Path

from bench.searching.journal_storage import JournalStorage
from bench.searching.postgres_storage import PostgresStorage
from bench.searching.storage import Storage
from bench.system import store_address
from bench.system.errors import RequestError


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
    # messages do not repeat its secrets from now on
    store_address.read(url)
    return PostgresStorage(url, study, grace)


def check(url: str) -> None:
    """RequestError if a storage is none that can be used."""
    scheme, mark, _ = url.partition("://")
    if not mark or scheme not in ("postgresql", "postgresql+psycopg"):
        # an address without a scheme may begin with a password
        named = scheme if mark else store_address.read(url).shown
        raise RequestError(
            f"--storage {named!r}: give postgresql://USER@HOST/DATABASE, or nothing for a journal file "
            "on this host (SQLite loses trials when several processes write)"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise RequestError("--storage: PostgreSQL needs psycopg: install 'began-bench[postgresql]'") from None
