"""Where a study is kept, and who lives: what a storage must do, and how to wait for one.

Beside Optuna's own storage each gives what several processes need to share a study: exclusive
sections, one leader, and a way to tell trials whose worker has died.
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

WORKER = "worker"  # user attribute of a trial: who trains it
PATIENCE_SECONDS = 600.0  # how long a database may be away
RETRY_SECONDS = 1.0

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

    def acquire_leadership(self) -> bool:
        """Become the study's leader if there is none; return whether this process leads."""

    def worker_lease(self, worker: str) -> AbstractContextManager[None]:
        """A block during which a worker counts as alive."""

    def claim(self, trial: Trial, worker: str) -> None:
        """Make a worker the owner of a trial that was just asked for; in the same exclusive block."""

    def heartbeat(self, trial: Trial) -> AbstractContextManager[None]:
        """A block during which a trial counts as being trained."""

    def stale_trials(self, study: Study) -> list[FrozenTrial]:
        """Running trials that nobody trains; to be asked in an exclusive block."""

    def count_other_workers(self, own: Collection[str]) -> int:
        """Living workers of this study on this host but for one's own, as far as that is known."""


def away() -> tuple[type[Exception], ...]:
    """The errors by which a storage that is away for a while shows itself."""
    return (StorageInternalError, DBAPIError, StorageAway)


def with_retries(work: Callable[[], Result]) -> Result:
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
                reason = " ".join(redacted(str(error)).split())[:200]
                raise StorageAway(f"storage stayed away for {PATIENCE_SECONDS:.0f} s: {reason}") from None
            time.sleep(RETRY_SECONDS)
