"""The worker pool of one command: starts, watches and stops worker processes on this host."""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Protocol

from bench.execution.progress import Progress
from bench.searching.plan import StudyPlan
from bench.searching.storage import Storage
from bench.system.errors import WorkError
from bench.system.logged_process import LoggedProcess

MOST_DEATHS = 3  # of workers per slot before any trial ends; more mean that no worker can run


class WorkerPool(Protocol):
    """Workers of one command, as processes or as cluster jobs.

    Attributes
    ----------
    count : int
        Workers at a time.
    """

    count: int

    def refill(self, more: bool) -> None:
        """Start missing workers if trials are left; WorkError if workers keep dying."""

    def busy(self) -> bool:
        """Whether a worker is running."""

    def on_trial_end(self) -> None:
        """Reset the count of dead workers."""

    def stop(self) -> None:
        """Ask all workers to write checkpoints and end, and wait for them."""


@dataclass
class ProcessPool:
    """A worker pool of processes on this host.

    Attributes
    ----------
    plan : StudyPlan
        The study.
    storage : Storage
        The study's storage.
    url : str or None
        The storage's address.
    count : int
        Workers at a time, including those of other commands on this host unless `is_job`.
    until : float or None
        Seconds since the epoch after which no trial begins.
    progress : Progress
        Prints that a worker died.
    is_job : bool
        Whether this command is a cluster job, with workers of its own beside other jobs.
    """

    plan: StudyPlan
    storage: Storage
    url: str | None
    count: int
    until: float | None
    progress: Progress
    is_job: bool = False
    _running: list[LoggedProcess] = field(default_factory=list)
    _own: set[str] = field(default_factory=set)
    _deaths: int = 0

    def refill(self, more: bool) -> None:
        """Remove workers that ended and start missing ones if trials are left."""
        for process in [process for process in self._running if process.has_ended()]:
            self._running.remove(process)
            self._report_exit(process)
        if more:
            others = 0 if self.is_job else self.storage.count_other_workers(self._own)
            for _ in range(self.count - len(self._running) - others):
                self._start()

    def busy(self) -> bool:
        """Whether a worker of this command is running."""
        return bool(self._running)

    def on_trial_end(self) -> None:
        """Reset the count of dead workers."""
        self._deaths = 0

    def stop(self) -> None:
        """Ask all workers to write checkpoints and end, and wait for them."""
        LoggedProcess.stop(self._running)

    def _start(self) -> None:
        worker = uuid.uuid4().hex
        self._own.add(worker)
        request = {"worker": worker, "plan": self.plan.to_json(), "storage": self.url, "until": self.until}
        log = self.plan.folder / "logs" / f"worker-{time.time_ns()}.log"
        self._running.append(LoggedProcess("bench.searching.worker", [], log, json.dumps(request).encode()))

    def _report_exit(self, process: LoggedProcess) -> None:
        cause = process.failure()
        if cause is None:
            return
        self._deaths += 1
        self.progress.info(f"a worker died ({cause}): {process.log}")
        if self._deaths >= MOST_DEATHS * self.count:
            raise WorkError(f"{self._deaths} workers died before a trial ended: {cause}")
