"""The worker pool of one command: starts, watches and stops worker processes on this host."""

import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.execution.progress import Progress
from bench.searching.plan import StudyPlan
from bench.searching.storage import Storage
from bench.system.errors import WorkError

MOST_DEATHS = 3  # of workers per slot before any trial ends; more mean that no worker can run


class WorkerPool(Protocol):
    """Workers of one command, as processes or as cluster jobs."""

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
    _running: "list[tuple[subprocess.Popen[bytes], Path]]" = field(default_factory=list)
    _own: set[str] = field(default_factory=set)
    _deaths: int = 0

    def refill(self, more: bool) -> None:
        """Remove workers that ended and start missing ones if trials are left."""
        for process, log in [pair for pair in self._running if pair[0].poll() is not None]:
            self._running.remove((process, log))
            self._report_exit(process, log)
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
        for process, _ in self._running:
            process.terminate()
        for process, _ in self._running:
            process.wait()

    def _start(self) -> None:
        logs = self.plan.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        path = logs / f"worker-{time.time_ns()}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.searching.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                # the worker gets Ctrl-C from this process, once
                start_new_session=True,
            )
        worker = uuid.uuid4().hex
        self._own.add(worker)
        request = {"worker": worker, "plan": self.plan.to_json(), "storage": self.url, "until": self.until}
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        self._running.append((process, path))

    def _report_exit(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        if process.returncode == 0:
            return
        self._deaths += 1
        lines = log.read_text(errors="replace").strip().splitlines()
        cause = lines[-1] if process.returncode > 0 and lines else f"signal {-process.returncode}"
        self.progress.info(f"a worker died ({cause}): {log}")
        if self._deaths >= MOST_DEATHS * self.count:
            raise WorkError(f"{self._deaths} workers died before a trial ended: {cause}")
