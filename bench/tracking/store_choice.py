"""Chooses the tracking store: of a new run, as run.json records it, and of a resumed run."""

import os

from bench.system import paths, store_address
from bench.system.store_address import StoreAddress

DEFAULT = "default"


def default_store() -> StoreAddress:
    """Return the SQLite store in mlruns/."""
    return store_address.of_file(paths.results() / "mlflow.db")


def store_from_environment() -> StoreAddress | None:
    """Return the store that MLFLOW_TRACKING_URI names, with its credentials."""
    text = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    return store_address.read(text) if text else None


def current_store() -> StoreAddress:
    """Return the store of new runs."""
    return store_from_environment() or default_store()


def recorded_name(address: StoreAddress) -> str:
    """Return a store's name for run.json: ``default`` (moves with mlruns/) or an address without secrets."""
    return DEFAULT if address.is_same(default_store()) else address.shown


def store_at_resume(record: str | None) -> tuple[StoreAddress, str | None]:
    """Return the store of a run that is resumed.

    Parameters
    ----------
    record : str or None
        The store's name in run.json; None for a run without tracking.

    Returns
    -------
    address : StoreAddress
        The store that MLFLOW_TRACKING_URI names, else the recorded store, without credentials.
    note : str or None
        A line for the user, if that is not the recorded store.
    """
    before = default_store() if record in (None, DEFAULT) else store_address.read(str(record))
    now = store_from_environment()
    if now is None or (record is not None and now.is_same(before)):
        return now or before, None
    if record is None:
        return now, None
    return now, f"tracked in {now.shown}, which MLFLOW_TRACKING_URI names; before that in {before.shown}"
