"""The workers of one command: processes of this host that are started, watched and stopped."""

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

DEATHS_WITHOUT_A_TRIAL = 3  # workers a place that die before any trial ends: something is wrong with all


class WorkerPool(Protocol):
    """Workers, wherever they are."""

    def refill(self, more: bool) -> None:
        """Start workers where there is more to do and some are missing; WorkError if they cannot work."""

    def busy(self) -> bool:
        """Whether a worker lives."""

    def on_trial_end(self) -> None:
        """Take note that the work goes on."""

    def stop(self) -> None:
        """Ask all to write checkpoints and end, and wait for them."""


@dataclass
class ProcessPool:
    """Workers on this host.

    Attributes
    ----------
    plan : StudyPlan
        What they work on.
    storage : Storage
        Where it is kept.
    url : str or None
        The storage's address.
    count : int
        Workers at a time, those of other commands on this host among them unless `apart`.
    until : float or None
        Seconds since the epoch after which no trial begins.
    progress : Progress
        Told of deaths.
    apart : bool
        Whether this command is a job that has workers of its own beside other jobs.
    """

    plan: StudyPlan
    storage: Storage
    url: str | None
    count: int
    until: float | None
    progress: Progress
    apart: bool = False
    _living: "list[tuple[subprocess.Popen[bytes], Path]]" = field(default_factory=list)
    _own: set[str] = field(default_factory=set)
    _deaths: int = 0

    def refill(self, more: bool) -> None:
        """Let go of workers that ended and start those that are missing."""
        for process, log in [pair for pair in self._living if pair[0].poll() is not None]:
            self._living.remove((process, log))
            self._report_exit(process, log)
        if more:
            others = 0 if self.apart else self.storage.count_other_workers(self._own)
            for _ in range(self.count - len(self._living) - others):
                self._start()

    def busy(self) -> bool:
        """Whether a worker of this command lives."""
        return bool(self._living)

    def on_trial_end(self) -> None:
        """Forget earlier deaths."""
        self._deaths = 0

    def stop(self) -> None:
        """Stop them politely."""
        for process, _ in self._living:
            process.terminate()
        for process, _ in self._living:
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
                # a Ctrl-C reaches it through us, once
                start_new_session=True,
            )
        worker = uuid.uuid4().hex
        self._own.add(worker)
        request = {"worker": worker, "plan": self.plan.to_json(), "storage": self.url, "until": self.until}
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        self._living.append((process, path))

    def _report_exit(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        if process.returncode == 0:
            return
        self._deaths += 1
        lines = log.read_text(errors="replace").strip().splitlines()
        said = lines[-1] if process.returncode > 0 and lines else f"signal {-process.returncode}"
        self.progress.info(f"a worker died ({said}): {log}")
        if self._deaths >= DEATHS_WITHOUT_A_TRIAL * self.count:
            raise WorkError(f"{self._deaths} workers died before a trial ended: {said}")
