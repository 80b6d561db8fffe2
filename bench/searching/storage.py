"""What the storage of a study must do, and how to wait for a storage that is away.

Each storage adds to Optuna's storage what several processes need to share a study: exclusive blocks, one
leader, and detection of trials whose worker has died.
"""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial
from sqlalchemy.exc import DBAPIError

from bench.system.errors import WorkError
from bench.system.store_address import redacted

WORKER = "worker"  # user attribute of a trial: id of the worker that trains it
PATIENCE_SECONDS = 600.0  # how long a database may be away
RETRY_SECONDS = 1.0

Result = TypeVar("Result")


class StorageAway(WorkError):
    """The storage cannot be reached at the moment."""


class Storage(Protocol):
    """A storage of studies.

    Attributes
    ----------
    optuna : BaseStorage
        Optuna's storage.
    """

    optuna: BaseStorage

    def exclusive(self) -> AbstractContextManager[None]:
        """Context manager that one process at a time may enter, across hosts."""

    def acquire_leadership(self) -> bool:
        """Become the study's leader if there is none; return whether this process leads."""

    def worker_lease(self, worker: str) -> AbstractContextManager[None]:
        """Context manager during which a worker counts as alive."""

    def claim(self, trial: Trial, worker: str) -> None:
        """Make a worker the owner of a new trial; call this in the exclusive block that asked for it."""

    def heartbeat(self, trial: Trial) -> AbstractContextManager[None]:
        """Context manager during which a trial counts as being trained."""

    def stale_trials(self, study: Study) -> list[FrozenTrial]:
        """Return the running trials whose worker died; call this in an exclusive block."""

    def release_leadership(self) -> None:
        """Stop being the leader."""

    def is_busy(self) -> bool:
        """Whether a command or a worker is at work on the study; a process that leads it is not asked."""

    def count_other_workers(self, own: Collection[str]) -> int:
        """Count the workers of other commands on this host, as far as they are known."""


def away() -> tuple[type[Exception], ...]:
    """Return the exceptions that a storage raises while it is away."""
    return (StorageInternalError, DBAPIError, StorageAway)


def with_retries(work: Callable[[], Result]) -> Result:
    """Call a function that uses the storage; while the storage is away, call it again.

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
                reason = " ".join(redacted(str(error)).split())[:200]
                raise StorageAway(f"storage stayed away for {PATIENCE_SECONDS:.0f} s: {reason}") from None
            time.sleep(RETRY_SECONDS)
