"""The server of MLflow's pages: a child process, which ends with all of its own children."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

from bench.system.errors import WorkError
from bench.system.store_address import StoreAddress, redacted

HOST = "127.0.0.1"
STOP_SECONDS = 10.0


class PagesServer:
    """MLflow's server on a store, on this machine only.

    Parameters
    ----------
    address : StoreAddress
        The store.
    artifacts : Path
        Folder of the artifacts.
    port : int
        Port on 127.0.0.1.

    Raises
    ------
    WorkError
        If the port is taken.
    """

    def __init__(self, address: StoreAddress, artifacts: Path, port: int) -> None:
        require_free(port)
        self.url = f"http://{HOST}:{port}"
        words = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
        words += ["--workers", "1", "--artifacts-destination", artifacts.as_uri()]
        words += ["--uvicorn-opts", "--log-level warning"]
        # not among the words: others can read a command line
        store = {"MLFLOW_BACKEND_STORE_URI": address.full}
        # one worker without the job runner starts in half the time and a quarter of the memory
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._folder = tempfile.TemporaryDirectory(prefix="bench-ui-")
        self._log = Path(self._folder.name, "log")
        with self._log.open("wb") as file:
            self._process = subprocess.Popen(
                words,
                env=os.environ | store | quiet,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # a group of its own, so that one signal reaches the server's children too
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Return whether the server answers."""
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
            return bool(answer.status == 200)
        return False

    def failure(self) -> str | None:
        """Return why the server has ended, with the last line of its output; None while it runs."""
        if (status := self._process.poll()) is None:
            return None
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return redacted(f"status {status}" + (f", {lines[-1].strip()}" if lines else ""))

    def stop(self) -> None:
        """End the server and its children."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self._folder.cleanup()


def require_free(port: int) -> None:
    """Raise WorkError if no server can listen on a port of 127.0.0.1."""
    with socket.socket() as tried:
        # as servers do: a port whose last server has just ended is free
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            reason = "is taken by another process" if error.errno == errno.EADDRINUSE else error.strerror
            with socket.socket() as free:
                free.bind((HOST, 0))
                another = free.getsockname()[1]
            raise WorkError(f"port {port} of {HOST} {reason}: try --port {another}") from None
