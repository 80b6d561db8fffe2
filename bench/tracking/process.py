"""The training process's side of tracking: start the tracking process, talk to it, see it end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import places
from bench.errors import WorkError


def tracking_uri() -> str:
    """Where runs are tracked: MLFLOW_TRACKING_URI, else the SQLite store under mlruns/."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{places.results() / 'mlflow.db'}"


class TrackingProcess:
    """A process that keeps MLflow's view of one run.

    It starts at once, so that its imports pass while the caller loads data; nothing is created in
    the store before :meth:`create`.
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

    def create(self, description: dict[str, Any]) -> str:
        """Create the MLflow run of a description (as in run.json) and return its id.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return str(self._ask(tracking_uri(), {"create": description})["run_id"])

    def follow(self, folder: Path, uri: str) -> None:
        """Keep the store like the run's folder from now on."""
        self._ask(uri, {"follow": str(folder)})

    def gather(self, description: dict[str, Any]) -> str:
        """Find or make the MLflow run above several runs (as in multirun.json) and return its id.

        Raises
        ------
        WorkError
            If the store cannot be reached or used.
        """
        return str(self._ask(tracking_uri(), {"gather": description})["run_id"])

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
            Ids of the runs below it.
        metrics : dict
            Aggregate values by name.
        folder : Path
            Where `files`, names of files and folders, lie.
        files : list of str
            What becomes artifacts.
        status : str
            FINISHED or FAILED.
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

    def _ask(self, uri: str, request: dict[str, Any]) -> dict[str, Any]:
        request = request | {"uri": uri, "results": str(places.results())}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkError(
                "tracking: its process ended at the start; --set tracking=false does without it"
            ) from None
        answer = json.loads(self._process.stdout.readline() or '{"error": "its process ended"}')
        if "error" in answer:
            raise WorkError(f"tracking: {answer['error']}; --set tracking=false does without it")
        return dict(answer)
