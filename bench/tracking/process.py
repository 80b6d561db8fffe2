"""The training process's side of tracking: start the tracking process, talk to it, see it end."""

import json
import os
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import WorkError
from bench.system.store_address import StoreAddress
from bench.tracking.parents import ParentSummary
from bench.tracking.patience import PATIENCE_SECONDS

STARTS = 4  # of a tracking process that dies while it follows one run


class TrackingMessage(NamedTuple):
    """A line about the store for the user.

    Attributes
    ----------
    text : str
        The line.
    is_warning : bool
        Whether the store lacks something.
    """

    text: str
    is_warning: bool


class TrackingProcess:
    """A process that keeps MLflow's view of runs, one after another, or of the run above several.

    It starts at once, so that its imports pass while the caller loads data, and opens the store if there is
    one; nothing is created in it before :meth:`create`.
    """

    def __init__(self) -> None:
        self._asked = False
        self._closed = False
        self._messages: deque[TrackingMessage] = deque()
        self._followed: tuple[RunFolder, StoreAddress] | None = None
        self._start()

    def _start(self) -> None:
        self._owed = 0  # answers that nobody waits for
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.tracking.serving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            # a Ctrl-C is for the training process, which then ends the record properly
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, args=(self._process, self._answers), daemon=True)
        self._reader.start()

    def _read(self, process: "subprocess.Popen[str]", answers: "queue.Queue[dict[str, Any] | None]") -> None:
        """Read the messages of the process until it ends: answers, and messages for the user."""
        assert process.stdout is not None
        for line in process.stdout:
            # a process that is killed may have written half a line
            if line.endswith("\n"):
                message = json.loads(line)
                if "notice" in message:
                    self._messages.append(TrackingMessage(message["notice"], message["is_warning"]))
                else:
                    answers.put(message)
        answers.put(None)

    def messages(self) -> list[TrackingMessage]:
        """Return the messages about the store since the last call."""
        return [self._messages.popleft() for _ in range(len(self._messages))]

    def open(self, address: StoreAddress) -> None:
        """Open the store, making it if need be; WorkError if that is not possible."""
        if problem := self._exchange(address, {"open": True}).get("error"):
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
            What run.json is to say.
        address : StoreAddress
            The store.
        meanwhile : callable
            Called while the store is at work.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return str(self._ask(address, {"create": description.model_dump()}, meanwhile)["run_id"])

    def follow(self, run: RunFolder, address: StoreAddress) -> None:
        """Keep the store like the run's folder from now on; returns at once, whatever the store does."""
        self._followed, self._starts = (run, address), 1
        self._follow()

    def _follow(self) -> None:
        assert self._followed
        run, address = self._followed
        if self._post(address, {"follow": str(run.path)}):
            self._owed += 1

    def restart_if_dead(self) -> str | None:
        """Start the tracking process again where it died.

        Returns
        -------
        problem : str or None
            A line about its death, where it died since the last call.
        """
        if self._followed is None or self._starts > STARTS or self._process.poll() is None:
            return None
        reason = self._death()
        self._starts += 1
        if self._starts > STARTS:
            name = self._followed[0].describe().name
            return (
                f"{reason}, {STARTS} times; training goes on, and what is missing is sent at its end, or "
                f"by: bench track {name}"
            )
        self._start()
        self._follow()
        return f"{reason}; it is started again"

    def open_parent(self, description: dict[str, Any], address: StoreAddress) -> str:
        """Find or make the MLflow run above several runs and return its id; it is running then.

        Parameters
        ----------
        description : dict
            As :mod:`bench.tracking.parents` makes it.
        address : StoreAddress
            The store.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return str(self._ask(address, {"gather": description})["run_id"])

    def finish_run(self) -> str | None:
        """Bring the followed run to its end in the store; another can be created or followed then.

        Returns
        -------
        problem : str or None
            What the store does not show, in words.
        """
        followed, self._followed = self._followed, None
        if followed and not self._closed and self._process.poll() is not None:
            # a last try with a process that has done nothing yet
            self._start()
            self._followed = followed
            self._follow()
            self._followed = None
        problem = self._try({"leave": True})
        if problem and followed:
            name = followed[0].describe().name
            return (
                f"the store does not show all of {name} yet ({problem}); complete it with: bench track {name}"
            )
        return problem

    def send_run(self, run: RunFolder, address: StoreAddress) -> dict[str, Any]:
        """Send all that the store lacks of a run that is not in training.

        Returns
        -------
        dict
            ``run_id`` in MLflow; ``points`` and ``files`` that were sent; or ``error``.
        """
        return self._exchange(address, {"send": str(run.path)})

    def show_trials(
        self,
        parent: str,
        study: str,
        experiment: str,
        trials: list[dict[str, Any]],
        best: dict[str, dict[str, float]],
        address: StoreAddress,
    ) -> str | None:
        """Keep the runs below a study's run like its trials; cheap where nothing changed.

        Parameters
        ----------
        parent : str
            Id of the study's run.
        study : str
            The study's name.
        experiment : str
            Name of the MLflow experiment.
        trials : list of dict
            Every trial, in plain values: ``number``; ``state`` (RUNNING, COMPLETE, PRUNED or FAIL);
            ``reason`` (may be empty); ``params``; ``values`` (of a trial that has final ones, by metric);
            ``intermediate`` (by metric, then by step as text); ``runs`` (ids, one a seed; a run that two
            trials name is the later one's); ``started`` and ``finished`` (milliseconds or None).
        best : dict
            For each metric the best value so far, by how many trials were over by then (as text).
        address : StoreAddress
            The store.

        Returns
        -------
        problem : str or None
            Why the store does not show all; the next call shows it.
        """
        request = {
            "parent": parent,
            "study": study,
            "experiment": experiment,
            "trials": trials,
            "best": best,
        }
        return self._exchange(address, {"show": request}).get("error")

    def finish_parent(
        self, parent: str, summary: ParentSummary, folder: Path, address: StoreAddress
    ) -> str | None:
        """Give the run above several ones what they amount to, and end it.

        Parameters
        ----------
        parent : str
            Its id.
        summary : ParentSummary
            What they amount to.
        folder : Path
            Where the summary's files lie.
        address : StoreAddress
            The store.

        Returns
        -------
        problem : str or None
            Why the store does not show it.
        """
        request = asdict(summary) | {"parent": parent, "folder": str(folder)}
        return self._exchange(address, {"aggregate": request}).get("error")

    def close(self) -> str | None:
        """Wait until the store shows all of the run; return what went wrong, if anything did."""
        problem = self.finish_run() if self._followed else None
        assert self._process.stdin is not None
        self._closed = True
        # a process that has ended told of it, or its status does
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if not self._asked:
            # it may still be importing, for nothing, and ends by itself
            return None
        self._process.wait()
        self._reader.join()
        while answer := self._answer():
            problem = problem or answer.get("error")
        return problem or (None if self._process.returncode == 0 else self._death())

    def _ask(
        self, address: StoreAddress, request: dict[str, Any], meanwhile: Callable[[], object] = lambda: None
    ) -> dict[str, Any]:
        answer = self._exchange(address, request, meanwhile)
        if "error" in answer:
            raise WorkError(f"tracking: {answer['error']}; --set tracking=false does without it")
        return answer

    def _try(self, request: dict[str, Any]) -> str | None:
        return self._exchange(None, request).get("error")

    def _exchange(
        self,
        address: StoreAddress | None,
        request: dict[str, Any],
        meanwhile: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:
        """Send a request and wait for its answer, which has ``error`` where something went wrong."""
        if self._closed:
            return {"error": "its process is finished"}
        if not self._post(address, request):
            return {"error": self._death()}
        meanwhile()
        while (answer := self._answer()) is not None:
            if not self._owed:
                return answer
            self._owed -= 1
        return {"error": self._death()}

    def _answer(self) -> dict[str, Any] | None:
        """Wait for the next answer; None, however often it is asked, when the process has ended."""
        answer = self._answers.get()
        if answer is None:
            self._answers.put(None)
        return answer

    def _post(self, address: StoreAddress | None, request: dict[str, Any]) -> bool:
        """Send a request; False if the process has ended."""
        self._asked = True
        if address:
            request = request | {"uri": address.full, "results": str(paths.results())}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _death(self) -> str:
        """Why the process ended, in words."""
        status = self._process.wait()
        if status == -signal.SIGALRM:
            return f"the store did not answer within {PATIENCE_SECONDS:g} s"
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"the tracking process {how}"
