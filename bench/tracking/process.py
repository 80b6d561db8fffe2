"""The training process's side of tracking: start the tracking process, talk to it, see it end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import places
from bench.errors import WorkError


def tracking_uri() -> str:
    """Where runs are tracked: MLFLOW_TRACKING_URI, else the SQLite store under mlruns/."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{places.results() / 'mlflow.db'}"


class TrackingProcess:
    """A process that keeps MLflow's view of runs, one after another, or of the run above several.

    It starts at once, so that its imports pass while the caller loads data, and opens the store if there is
    one; nothing is created in it before :meth:`create`.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.tracking.follower"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            # a Ctrl-C is for the training process, which then ends the record properly
            start_new_session=True,
        )
        self._asked = False

    def create(self, description: dict[str, Any], meanwhile: Callable[[], object] = lambda: None) -> str:
        """Create the MLflow run of a description (as in run.json) and return its id.

        Parameters
        ----------
        description : dict
            What run.json is to say.
        meanwhile : callable
            Called while the store is at work.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return str(self._ask(tracking_uri(), {"create": description}, meanwhile)["run_id"])

    def follow(self, folder: Path, uri: str) -> None:
        """Keep the store like the run's folder from now on."""
        self._ask(uri, {"follow": str(folder)})

    def gather(self, description: dict[str, Any]) -> str:
        """Find or make the MLflow run above several runs and return its id; it is running then.

        Parameters
        ----------
        description : dict
            As :mod:`bench.tracking.parents` makes it.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return str(self._ask(tracking_uri(), {"gather": description})["run_id"])

    def leave(self) -> str | None:
        """Bring the followed run to its end in the store; another can be created or followed then.

        Returns
        -------
        problem : str or None
            What the store does not show, in words.
        """
        return self._try(tracking_uri(), {"leave": True})

    def show(
        self,
        parent: str,
        study: str,
        experiment: str,
        trials: list[dict[str, Any]],
        best: dict[str, dict[str, float]],
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
        return self._try(tracking_uri(), {"show": request})

    def aggregate(
        self,
        parent: str,
        runs: list[str],
        metrics: dict[str, float],
        folder: Path,
        files: list[str],
        status: str,
    ) -> None:
        """Give the run above several ones what they amount to, and end it.

        Parameters
        ----------
        parent : str
            Its id.
        runs : list of str
            Ids of the runs right below it; a study's trials are shown already.
        metrics : dict
            Aggregate values by name.
        folder : Path
            Where `files`, names of files and folders, lie.
        files : list of str
            What becomes artifacts.
        status : str
            FINISHED, FAILED or KILLED.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        request = {
            "parent": parent,
            "runs": runs,
            "metrics": metrics,
            "folder": str(folder),
            "files": files,
            "status": status,
        }
        self._ask(tracking_uri(), {"aggregate": request})

    def finish(self) -> str | None:
        """Wait until the store shows all of the run; return what went wrong, if anything did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._asked:
            # it may still be importing, for nothing, and ends by itself
            self._process.stdin.close()
            return None
        # a process that has ended told of it, or its status does
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        last = [line for line in self._process.stdout if line.strip()]
        self._process.wait()
        if last:
            return str(json.loads(last[-1]).get("error") or "") or None
        return (
            None
            if self._process.returncode == 0
            else f"tracking ended with status {self._process.returncode}"
        )

    def _ask(
        self, uri: str, request: dict[str, Any], meanwhile: Callable[[], object] = lambda: None
    ) -> dict[str, Any]:
        answer = self._exchange(uri, request, meanwhile)
        if "error" in answer:
            raise WorkError(f"tracking: {answer['error']}; --set tracking=false does without it")
        return answer

    def _try(self, uri: str, request: dict[str, Any]) -> str | None:
        return self._exchange(uri, request).get("error")

    def _exchange(
        self, uri: str, request: dict[str, Any], meanwhile: Callable[[], object] = lambda: None
    ) -> dict[str, Any]:
        """Send a request and wait for its answer, which has ``error`` where something went wrong."""
        self._asked = True
        request = request | {"uri": uri, "results": str(places.results())}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.stdin.closed:
            return {"error": "its process is finished"}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"error": "its process ended"}
        meanwhile()
        answer = self._process.stdout.readline()
        # a process that is killed may have written half an answer
        return dict(json.loads(answer if answer.endswith("\n") else '{"error": "its process ended"}'))
