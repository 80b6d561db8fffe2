"""Runs of a multirun, each trained by a process of its own."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.comparing.numbers import duration
from bench.execution.progress import Progress
from bench.execution.time_left import time_left, time_left_text
from bench.runs import run_folder
from bench.runs.run_folder import RunFolder
from bench.system.interruption import stop_on_signal
from bench.system.logged_process import LoggedProcess

POLL_SECONDS = 0.2


class Stopped(Exception):
    """The user stopped the command; running it again continues."""


@dataclass(frozen=True)
class Job:
    """A run to train.

    Attributes
    ----------
    label : str
        Variant and seed.
    options : sequence of str
        Options of ``bench run``.
    log : Path
        Log file of the process.
    resumed : RunFolder or None
        The interrupted run that the job resumes.
    """

    label: str
    options: Sequence[str]
    log: Path
    resumed: RunFolder | None = None

    @property
    def result(self) -> Path:
        """File of the JSON object that the process prints at its end."""
        return self.log.with_suffix(".json")

    def can_start(self) -> bool:
        """Return False while another process trains the run, such as one of a multirun that was killed."""
        return self.resumed is None or not run_folder.is_held(self.resumed)

    def start(self) -> LoggedProcess:
        """Start the process: a command line that a person could type."""
        return LoggedProcess("bench", ["run", "--json", *self.options], self.log, output=self.result)


def run_jobs(jobs: Sequence[Job], total: int, workers: int, progress: Progress) -> dict[str, str]:
    """Run jobs, several at a time, and return the failures by label.

    Parameters
    ----------
    jobs : sequence of Job
        Runs that are not complete.
    total : int
        Number of runs, with complete ones.
    workers : int
        Runs at a time.
    progress : Progress
        Prints how each run ended, and the time left.

    Raises
    ------
    Stopped
        If the user stopped the command; every run has written a checkpoint.
    """
    done = total - len(jobs)
    progress.info(f"{total} runs: {done} complete, {len(jobs)} to train, {workers} at a time")
    waiting, failed = list(jobs), {}
    training: list[_Training] = []
    ended: list[float] = []  # seconds of each run
    with stop_on_signal() as stop_requested:
        try:
            while waiting or training:
                for job in [job for job in waiting if job.can_start()][: workers - len(training)]:
                    training.append(_Training(job, job.start(), time.monotonic()))
                    waiting.remove(job)
                time.sleep(POLL_SECONDS)
                if stop_requested():
                    raise Stopped
                for each in [each for each in training if each.process.has_ended()]:
                    training.remove(each)
                    done += 1
                    ended.append(each.seconds())
                    if failure := each.process.failure():
                        failed[each.job.label] = failure
                    running = [other.seconds() for other in training]
                    left = time_left_text(time_left(ended, running, len(waiting), workers))
                    progress.info(f"[{done}/{total}] {each.end_text(failure)}{left}")
        finally:
            LoggedProcess.stop(each.process for each in training)
    return failed


@dataclass(frozen=True, eq=False)
class _Training:
    """A job in training: its process, and when it was started."""

    job: Job
    process: LoggedProcess
    started: float

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    def end_text(self, failure: str | None) -> str:
        """Return label, distance, health and time of an ended run, or why it failed."""
        result = failure or _result_text(self.job.result.read_bytes())
        return f"{self.job.label}: {result}, took {duration(self.seconds())}"


def _result_text(output: bytes) -> str:
    """Return distance and health from the JSON object that ``bench run --json`` printed."""
    summary = json.loads(output)
    metric = summary["metric"]
    distance = summary["last"].get(metric)
    measured = [] if distance is None else [f"{metric} {distance:.4g}"]
    return ", ".join([*measured, f"health {summary['health']}"])
