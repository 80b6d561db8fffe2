"""Workers as jobs of a cluster, through submitit: each job carries the study out with one worker."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.searching.plan import StudyPlan
from bench.system.errors import RequestError, WorkError

GRACE_SECONDS = 60.0
ASK_SECONDS = 1.0
# submitit's default is 5; SLURM's own SBATCH_TIMELIMIT goes before it
MINUTES = 24 * 60


def check(cluster: str) -> None:
    """RequestError if jobs cannot be submitted from here."""
    try:
        import submitit
    except ImportError:
        raise RequestError("--cluster: submitit is missing: install 'began-bench[cluster]'") from None
    if cluster == "slurm" and submitit.SlurmExecutor.affinity() < 0:
        raise RequestError("--cluster slurm: there is no srun on this machine")


@dataclass
class JobPool:
    """Workers as jobs.

    Attributes
    ----------
    cluster : {"slurm", "local"}
        Where they run.
    plan : StudyPlan
        What they work on; their logs lie in its folder.
    count : int
        How many.
    task : callable
        What each does.
    arguments : tuple
        The task's arguments, which submitit writes into a file.
    secret : dict
        Variables of the jobs' environment.
    """

    cluster: str
    plan: StudyPlan
    count: int
    task: Callable[..., None]
    arguments: tuple[Any, ...]
    secret: Mapping[str, str] = field(default_factory=dict)
    _submitted: list[Any] = field(default_factory=list)

    def refill(self, more: bool) -> None:
        """Submit them once, as an array where the cluster has that; see that one is left."""
        if not self._submitted and more:
            import submitit

            executor = submitit.AutoExecutor(folder=str(self.plan.folder / "jobs"), cluster=self.cluster)
            executor.update_parameters(name=self.plan.name, timeout_min=MINUTES)
            with _ctrl_c_held_back(), _environment(self.secret), executor.batch():
                self._submitted = [executor.submit(self.task, *self.arguments) for _ in range(self.count)]
        elif more and not self.busy():
            problems = [str(job.exception()).strip().splitlines()[-1:] for job in self._submitted]
            raise WorkError(f"all jobs have ended before the budget was spent: {problems[0]}")

    def busy(self) -> bool:
        """Whether a job waits or runs."""
        return any(not job.done() for job in self._submitted)

    def on_trial_end(self) -> None:
        """Nothing to note: the cluster restarts no job."""

    def stop(self) -> None:
        """Cancel the jobs; they write checkpoints."""
        if self.cluster == "slurm":
            for job in self._submitted:
                if not job.done():
                    job.cancel()
        deadline = time.monotonic() + GRACE_SECONDS
        while self.busy() and time.monotonic() < deadline:
            for job in self._submitted:
                # submitit would kill a local job a second after it asks; one that begins may not hear it yet
                if self.cluster == "local" and not job.done():
                    with suppress(ProcessLookupError):
                        os.kill(int(job.job_id), signal.SIGTERM)
            time.sleep(ASK_SECONDS)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Start processes that do not hear the terminal's Ctrl-C: :meth:`JobPool.stop` tells them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Start processes with further variables."""
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
