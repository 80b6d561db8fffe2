"""The training process's side of tracking: starts the tracking process, sends requests, reports its death."""

import os
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from threading import Thread

from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError
from bench.system.store_address import StoreAddress
from bench.tracking import messages
from bench.tracking.messages import Answer, Failure, Request, RunSent
from bench.tracking.patience import PATIENCE_SECONDS

STARTS = 4  # of a tracking process that dies while it follows one run


class TrackingProcess:
    """A process that sends runs to MLflow, one after another, and updates the runs above them.

    The process starts at once, so that it imports MLflow while the caller loads data, and opens the store
    if there is one. Nothing is created in the store before :meth:`create`.
    """

    def __init__(self) -> None:
        self._asked = False
        self._closed = False
        self._notices: deque[messages.Notice] = deque()
        self._followed: tuple[RunFolder, StoreAddress] | None = None
        self._start()

    def _start(self) -> None:
        self._unread = 0  # answers that nobody waits for
        self._answers: queue.Queue[Answer | None] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.tracking.serving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            # Ctrl-C is for the training process, which then ends the record properly
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, args=(self._process, self._answers), daemon=True)
        self._reader.start()

    def _read(self, process: "subprocess.Popen[bytes]", answers: "queue.Queue[Answer | None]") -> None:
        """Sort what the process writes until it ends: answers, and notices for the user."""
        assert process.stdout is not None
        for line in process.stdout:
            # a killed process may have written half a line
            if line.endswith(b"\n"):
                match messages.decode_answer(line):
                    case messages.Notice() as notice:
                        self._notices.append(notice)
                    case answer:
                        answers.put(answer)
        answers.put(None)

    def notices(self) -> list[messages.Notice]:
        """Return the notices about the store since the last call."""
        return [self._notices.popleft() for _ in range(len(self._notices))]

    def open(self, address: StoreAddress) -> None:
        """Open the store, creating it if needed.

        Raises
        ------
        WorkError
            If the store cannot be opened.
        """
        if problem := self._problem(messages.OpenStore(address.full)):
            raise WorkError(problem)

    def create(
        self,
        description: RunDescription,
        address: StoreAddress,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> str:
        """Create the MLflow run of a description (as in run.json) and return its id.

        Parameters
        ----------
        description : RunDescription
            The content of run.json.
        address : StoreAddress
            The store.
        meanwhile : callable
            Called while the store is at work.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return self._run_id(messages.CreateRun(address.full, description), meanwhile)

    def follow(self, run: RunFolder, address: StoreAddress) -> None:
        """Send a run to the store while it is trained; returns at once, whatever the store does."""
        self._followed, self._starts = (run, address), 1
        self._follow()

    @property
    def follows_run(self) -> bool:
        """Whether a run is followed, and not yet finished in the store."""
        return self._followed is not None

    def _follow(self) -> None:
        assert self._followed
        run, address = self._followed
        if self._send(messages.FollowRun(address.full, run.path)):
            self._unread += 1

    def restart_if_dead(self) -> str | None:
        """Restart the tracking process if it died while it followed a run; return a line about its death."""
        if self._followed is None or self._starts > STARTS or self._process.poll() is None:
            return None
        reason = self._cause_of_death()
        self._starts += 1
        if self._starts > STARTS:
            name = self._followed[0].describe().name
            return (
                f"{reason}, {STARTS} times; training goes on, and what is missing is sent at its end, or "
                f"by: bench track {quote(name)}"
            )
        self._start()
        self._follow()
        return f"{reason}; it is started again"

    def finish_run(self) -> str | None:
        """Finish the followed run in the store; return what the store does not show and why, if anything."""
        followed = self._followed
        if followed and not self._closed and self._process.poll() is not None:
            # a last attempt, with a new process
            self._start()
            self._follow()
        self._followed = None
        problem = self._problem(messages.FinishRun())
        if problem and followed:
            name = quote(followed[0].describe().name)
            return (
                f"the store does not show all of {name} yet ({problem}); complete it with: bench track {name}"
            )
        return problem

    def send_run(self, run: RunFolder, address: StoreAddress) -> RunSent:
        """Send what the store lacks of a run that is not being trained.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        match self._request(messages.SendRun(address.full, run.path)):
            case RunSent() as sent:
                return sent
            case answer:
                raise WorkError(_reason(answer))

    def delete_runs(self, run_ids: list[str], address: StoreAddress) -> None:
        """Delete the runs of folders from the store, by the folders' ids.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        if problem := self._problem(messages.DeleteRuns(address.full, run_ids)):
            raise WorkError(f"{address.shown}: {problem}")

    def delete_study(self, study: str, address: StoreAddress) -> None:
        """Delete all runs of a study from the store, by its name.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        if problem := self._problem(messages.DeleteStudy(address.full, study)):
            raise WorkError(f"{address.shown}: {problem}")

    def open_parent(self, parent: messages.ParentRun, address: StoreAddress) -> str:
        """Find or create the MLflow run above several runs, mark it as running and return its id.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return self._run_id(messages.OpenParent(address.full, parent))

    def show_trials(self, snapshot: messages.StudySnapshot, address: StoreAddress) -> str | None:
        """Update the runs below a study's run; return why the store does not show all, if it does not.

        The next call sends what is missing.
        """
        return self._problem(messages.ShowTrials(address.full, snapshot))

    def finish_parent(
        self, parent: str, summary: messages.ParentSummary, folder: Path, address: StoreAddress
    ) -> str | None:
        """Log a parent run's summary, upload its files from `folder` and end the run.

        Returns why the store does not show the summary, if it does not.
        """
        return self._problem(messages.FinishParent(address.full, parent, summary, folder))

    def share_view(
        self, experiment: str, metrics: Sequence[str], tags: Sequence[str], address: StoreAddress
    ) -> str | None:
        """Set the columns of an experiment's page in MLflow; return the experiment's id in the store, if any.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        match self._request(messages.ShareView(address.full, experiment, list(metrics), list(tags))):
            case messages.ViewShared(experiment_id):
                return experiment_id
            case answer:
                raise WorkError(_reason(answer))

    def close(self) -> str | None:
        """Wait until the store shows everything and end the process; return what went wrong, if anything."""
        problem = self.finish_run() if self._followed else None
        assert self._process.stdin is not None
        self._closed = True
        # a dead process has sent its reason, or its exit status says it
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if not self._asked:
            # it may still be importing, for nothing, and ends by itself
            return None
        self._process.wait()
        self._reader.join()
        while answer := self._next_answer():
            if isinstance(answer, Failure):
                problem = problem or answer.reason
        return problem or (None if self._process.returncode == 0 else self._cause_of_death())

    def _run_id(self, request: Request, meanwhile: Callable[[], object] = lambda: None) -> str:
        match self._request(request, meanwhile):
            case messages.RunId(run_id):
                return run_id
            case answer:
                raise WorkError(f"tracking: {_reason(answer)}; --set tracking=false does without it")

    def _problem(self, request: Request) -> str | None:
        answer = self._request(request)
        return answer.reason if isinstance(answer, Failure) else None

    def _request(self, request: Request, meanwhile: Callable[[], object] = lambda: None) -> Answer:
        """Send a request and wait for the answer."""
        if self._closed:
            return Failure("its process is finished")
        if not self._send(request):
            return Failure(self._cause_of_death())
        meanwhile()
        while (answer := self._next_answer()) is not None:
            if not self._unread:
                return answer
            self._unread -= 1
        return Failure(self._cause_of_death())

    def _next_answer(self) -> Answer | None:
        """Wait for the next answer; None, however often it is called, when the process has ended."""
        answer = self._answers.get()
        if answer is None:
            self._answers.put(None)
        return answer

    def _send(self, request: Request) -> bool:
        """Send a request; False if the process has ended."""
        self._asked = True
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(messages.encode(request))
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _cause_of_death(self) -> str:
        status = self._process.wait()
        if status == -signal.SIGALRM:
            return f"the store did not answer within {PATIENCE_SECONDS:g} s"
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"the tracking process {how}"


def _reason(answer: Answer) -> str:
    return answer.reason if isinstance(answer, Failure) else f"unexpected answer {answer.kind}"
