"""Workers as jobs of a cluster, through submitit: each job runs the study with one worker."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.searching.plan import StudyPlan
from bench.system.errors import RequestError, WorkError

if TYPE_CHECKING:
    from submitit import Job

GRACE_SECONDS = 60.0
POLL_SECONDS = 1.0
# submitit's default is 5; SLURM's SBATCH_TIMELIMIT overrides this
MINUTES = 24 * 60


def check_cluster(cluster: str) -> None:
    """Raise RequestError if jobs cannot be submitted from this machine."""
    try:
        import submitit
    except ImportError:
        raise RequestError("--cluster: submitit is missing: install 'began-bench[cluster]'") from None
    if cluster == "slurm" and submitit.SlurmExecutor.affinity() < 0:
        raise RequestError("--cluster slurm: there is no srun on this machine")


@dataclass
class JobPool:
    """A worker pool of cluster jobs.

    Attributes
    ----------
    cluster : {"slurm", "local"}
        Where the jobs run.
    plan : StudyPlan
        The study; the jobs' logs are in its folder.
    count : int
        Number of jobs.
    task : callable
        The function that each job calls.
    arguments : tuple
        The task's arguments, which submitit writes into a file.
    secrets : dict
        Environment variables of the jobs.
    """

    cluster: str
    plan: StudyPlan
    count: int
    task: Callable[..., None]
    arguments: tuple[object, ...]
    secrets: Mapping[str, str] = field(default_factory=dict)
    _submitted: "list[Job[None]]" = field(default_factory=list)

    def refill(self, more: bool) -> None:
        """Submit the jobs once, as an array if possible; WorkError if all have ended too early."""
        if not self._submitted and more:
            import submitit

            executor = submitit.AutoExecutor(folder=str(self.plan.folder / "jobs"), cluster=self.cluster)
            executor.update_parameters(name=self.plan.name, timeout_min=MINUTES)
            with _ctrl_c_held_back(), _environment(self.secrets), executor.batch():
                self._submitted = [executor.submit(self.task, *self.arguments) for _ in range(self.count)]
        elif more and not self.busy():
            problems = [str(job.exception()).strip().splitlines()[-1:] for job in self._submitted]
            raise WorkError(f"all jobs have ended before the budget was spent: {problems[0]}")

    def busy(self) -> bool:
        """Whether a job waits or runs."""
        return any(not job.done() for job in self._submitted)

    def on_trial_end(self) -> None:
        """Do nothing: jobs are not restarted, so no deaths are counted."""

    def stop(self) -> None:
        """Cancel the jobs, which then write checkpoints."""
        if self.cluster == "slurm":
            for job in self._submitted:
                if not job.done():
                    job.cancel()
        deadline = time.monotonic() + GRACE_SECONDS
        while self.busy() and time.monotonic() < deadline:
            for job in self._submitted:
                # submitit would kill a local job a second later; a job that starts may miss the signal
                if self.cluster == "local" and not job.done():
                    with suppress(ProcessLookupError):
                        os.kill(int(job.job_id), signal.SIGTERM)
            time.sleep(POLL_SECONDS)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Start processes that do not get the terminal's Ctrl-C: :meth:`JobPool.stop` signals them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Start processes with additional environment variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
