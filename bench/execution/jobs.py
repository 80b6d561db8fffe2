"""Runs of a multirun, each trained by a process of its own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.execution.progress import Progress
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

    def can_start(self) -> bool:
        """Return False while another process trains the run, such as one of a multirun that was killed."""
        return self.resumed is None or not run_folder.is_held(self.resumed)

    def start(self) -> LoggedProcess:
        """Start the process: a command line that a person could type."""
        return LoggedProcess("bench", ["run", "--json", *self.options], self.log)


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
        Prints the end of each run.

    Raises
    ------
    Stopped
        If the user stopped the command; every run has written a checkpoint.
    """
    done = total - len(jobs)
    progress.info(f"{total} runs: {done} complete, {len(jobs)} to train, {workers} at a time")
    waiting, failed = list(jobs), {}
    training: list[tuple[Job, LoggedProcess]] = []
    with stop_on_signal() as stop_requested:
        try:
            while waiting or training:
                for job in [job for job in waiting if job.can_start()][: workers - len(training)]:
                    training.append((job, job.start()))
                    waiting.remove(job)
                time.sleep(POLL_SECONDS)
                if stop_requested():
                    raise Stopped
                for job, process in [pair for pair in training if pair[1].has_ended()]:
                    training.remove((job, process))
                    done += 1
                    if failure := process.failure():
                        failed[job.label] = failure
                    progress.info(f"[{done}/{total}] {job.label}: {failure or 'done'}")
        finally:
            LoggedProcess.stop(process for _, process in training)
    return failed
