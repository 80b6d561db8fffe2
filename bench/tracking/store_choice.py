"""Which store a run is tracked in: now, as it is recorded, and at a resume."""

import os

from bench.system import paths, store_address
from bench.system.store_address import StoreAddress

DEFAULT = "default"


def default_store() -> StoreAddress:
    """The SQLite store under this BENCH_HOME's mlruns/."""
    return store_address.read(f"sqlite:///{paths.results() / 'mlflow.db'}")


def store_from_environment() -> StoreAddress | None:
    """The store that MLFLOW_TRACKING_URI names, with its credentials."""
    text = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    return store_address.read(text) if text else None


def current_store() -> StoreAddress:
    """The store of what begins now."""
    return store_from_environment() or default_store()


def recorded_name(address: StoreAddress) -> str:
    """What run.json says of a store: ``default``, which moves with mlruns/, or an address without secrets."""
    return DEFAULT if address.is_same(default_store()) else address.shown


def store_at_resume(record: str | None) -> tuple[StoreAddress, str | None]:
    """The store of a run that was begun before.

    Parameters
    ----------
    record : str or None
        What run.json says; None for a run that was begun without tracking.

    Returns
    -------
    address : StoreAddress
        What MLFLOW_TRACKING_URI names, else the recorded store, which then has no credentials.
    note : str or None
        A line, where that is another store than the recorded one.
    """
    before = default_store() if record in (None, DEFAULT) else store_address.read(str(record))
    now = store_from_environment()
    if now is None or (record is not None and now.is_same(before)):
        return now or before, None
    if record is None:
        return now, None
    return now, f"tracked in {now.shown}, which MLFLOW_TRACKING_URI names; before that in {before.shown}"
