"""A tracking server that freezes, dies or never answers during runs."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import Request, Tally, first_problem
from faults.comparison import differs, not_in_store
from faults.processes import (
    TIMEOUT,
    Process,
    environment,
    only_run,
    recorded_steps,
    run,
    run_words,
    undisturbed,
    wait_until,
)

FREEZES = 3
STOPS = 3
FROZEN_SECONDS = 60.0  # longer than the timeout of the tracking process for one answer
STEPS = 1200
WORDS = run_words("began", steps=STEPS, eval_every=200, checkpoint_every=50)


class Server:
    """A real MLflow server on 127.0.0.1 with a SQLite store below a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"
        self.store = f"sqlite:///{folder / 'server.db'}"
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += [
            "--backend-store-uri",
            self.store,
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *words],
                env=os.environ | quiet,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, "the server answers")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended: {(self.folder / 'server.log').read_text()[-500:]}")
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def signal(self, number: int) -> None:
        """Send a signal to the server and its workers."""
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """Kill the server and its workers."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait(timeout=TIMEOUT)


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Run a server within a block."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


def drill(request: Request) -> Iterator[Tally]:
    """Freeze and stop a server during runs, and start runs whose server does not answer."""
    whole = undisturbed(request, WORDS)
    with served(request.folder / "server") as server:
        yield _frozen(request, server, whole)
        yield _stopped(request, server, whole)
    yield _nobody(request)


def _frozen(request: Request, server: Server, whole: Path) -> Tally:
    tally = Tally(
        f"tracking server frozen (SIGSTOP) for {FROZEN_SECONDS:.0f} s in mid-run",
        "run ends well, with a line where the store is behind; after `bench track` each point once",
    )
    for number in range(request.trials(FREEZES)):
        home = request.folder / f"frozen-{number}"
        env = environment(request, home, MLFLOW_TRACKING_URI=server.uri)
        process = Process(WORDS, env, home / "logs")
        wait_until(lambda: process.ended() or recorded_steps(home) > 100, "a recorded step")  # noqa: B023
        server.signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        ended = process.wait()
        time.sleep(max(0.0, FROZEN_SECONDS - (time.monotonic() - frozen_at)))
        server.signal(signal.SIGCONT)
        tally.add(_complete(home, env, server, whole, ended.status, ended.err))
    return tally


def _stopped(request: Request, server: Server, whole: Path) -> Tally:
    tally = Tally(
        "tracking server killed in mid-run, started again after the run",
        "run ends well and says that the store is behind; after `bench track` each point once",
    )
    for number in range(request.trials(STOPS)):
        home = request.folder / f"stopped-{number}"
        env = environment(request, home, MLFLOW_TRACKING_URI=server.uri)
        process = Process(WORDS, env, home / "logs")
        wait_until(lambda: process.ended() or recorded_steps(home) > 100, "a recorded step")  # noqa: B023
        server.stop()
        ended = process.wait()
        server.start()
        silent = None if "bench track" in ended.err else "no message that the store is behind"
        tally.add(silent or _complete(home, env, server, whole, ended.status, ended.err))
    return tally


def _complete(
    home: Path, env: dict[str, str], server: Server, whole: Path, status: int, err: str
) -> str | None:
    again = run(["track", "last"], env, home / "logs")
    if status or "Traceback" in err:
        return f"training ended with status {status}: {err[-200:]}"
    if again.status:
        return f"bench track ended with status {again.status}: {again.err[-200:]}"
    return first_problem([differs(only_run(home), whole), not_in_store(only_run(home), server.uri)])


def _nobody(request: Request) -> Tally:
    tally = Tally(
        "tracking server or database that does not answer, at the start",
        "one line, nothing trained, nothing left behind",
    )
    with socket.socket() as silent:
        # the system accepts connections, but no process answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        port = silent.getsockname()[1]
        addresses = [
            "http://127.0.0.1:9",
            f"http://127.0.0.1:{port}",
            "postgresql://nobody@127.0.0.1:9/none",
            f"postgresql://nobody@127.0.0.1:{port}/none",
        ]
        for number, address in enumerate(addresses):
            home = request.folder / f"nobody-{number}"
            env = environment(request, home, MLFLOW_TRACKING_URI=address)
            ended = run(WORDS, env, request.folder / "logs")
            left = None if not list(home.glob("mlruns/runs/*")) else "a run's folder was left"
            tally.add(first_problem([ended.one_line(1, 2), left]))
    home = request.folder / "a-folder"
    (home / "mlruns" / "mlflow.db").mkdir(parents=True)
    ended = run(WORDS, environment(request, home), request.folder / "logs")
    left = None if not list(home.glob("mlruns/runs/*")) else "a run's folder was left"
    tally.add(first_problem([ended.one_line(1, 2), left]))
    return tally
