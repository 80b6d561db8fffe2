"""Runs that are stopped half way, and a real MLflow server that can be frozen."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.configuration import Configuration
from bench.execution.progress import Progress
from bench.execution.session import start
from bench.runs import record, run_folder
from bench.runs.run_folder import RunFolder
from bench.training.trainer import Callback, Interrupted


class Stop(Callback):
    """Stops a run after a step."""

    def __init__(self, step: int) -> None:
        self.step, self.reached = step, 0

    def on_steps(self, rows: list[dict[str, Any]]) -> None:
        self.reached = rows[-1]["step"]

    def should_stop(self) -> bool:
        return self.reached >= self.step


def stopped(configuration: Configuration, step: int = 4) -> RunFolder:
    """A run that was stopped after about a step."""
    with pytest.raises(Interrupted):
        start(configuration, Progress(quiet=True), on_start=lambda run, setup: [Stop(step)])
    return run_folder.find("last")


def points(client: Any, run_id: str) -> Counter[tuple[str, int]]:
    """How often the store has each step of a metric, but for the machine's load and each session's best."""
    names = [n for n in client.get_run(run_id).data.metrics if not n.startswith(("system/", "best/"))]
    return Counter((name, point.step) for name in names for point in client.get_metric_history(run_id, name))


def recorded(run: RunFolder) -> Counter[tuple[str, int]]:
    """The same as it should be: what the record has, once each."""
    whole = record.read(run.record_path)
    trained = [(f"train/{name}", row["step"]) for row in whole.steps for name in row if name != "step"]
    judged = [(f"eval/{name}", each.step) for each in whole.evaluations for name in each.values]
    return Counter([*trained, *judged])


def pictures(client: Any, run_id: str) -> list[str]:
    """The steps of the sample grids that MLflow's pages show, one entry a file."""
    names = [Path(item.path).name for item in client.list_artifacts(run_id, "images")]
    return sorted(f"{name.split('+')[2]}{Path(name).suffix}" for name in names)


class Server:
    """An MLflow server of its own below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
        words += ["--artifacts-destination", (folder / "artifacts").as_uri()]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            env={n: v for n, v in os.environ.items() if not n.startswith("BENCH_")} | quiet,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.2)

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)
        self.wait()

    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.url)


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The functions above, for test files (which cannot import one another)."""
    return SimpleNamespace(stopped=stopped, points=points, recorded=recorded, pictures=pictures)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="bench-mlflow-") as folder:
        server = Server(Path(folder))
        server.wait()
        yield server
        server.signal(signal.SIGCONT)
        server.signal(signal.SIGKILL)
        server.process.wait()
