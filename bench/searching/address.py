"""Opens the storage that --storage names."""

from pathlib import Path

from bench.searching.journal_storage import JournalStorage
from bench.searching.postgres_storage import PostgresStorage
from bench.searching.storage import Storage
from bench.system import store_address
from bench.system.errors import RequestError


def open_storage(url: str | None, folder: Path, study: str, grace: int) -> Storage:
    """Open a storage, creating it if needed.

    Parameters
    ----------
    url : str or None
        ``postgresql://...``; without one, a journal file in `folder`.
    folder : Path
        The study's folder.
    study : str
        The study's name.
    grace : int
        Seconds without a heartbeat after which a PostgreSQL storage counts a worker as dead.

    Raises
    ------
    RequestError
        If the address is of another kind of storage, or the driver is not installed.
    WorkError
        If the storage cannot be reached.
    """
    if url is None:
        return JournalStorage(folder)
    check_address(url)
    # from now on messages do not repeat its secrets
    store_address.read(url)
    return PostgresStorage(url, study, grace)


def check_address(url: str) -> None:
    """Raise RequestError if a storage cannot be used."""
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
