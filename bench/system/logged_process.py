"""Child processes of the project that log to a file."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


class LoggedProcess:
    """A Python process whose standard error goes to a log file.

    Parameters
    ----------
    module : str
        Module to run, as in ``python -m MODULE``.
    arguments : sequence of str
        Command-line arguments.
    log : Path
        Log file; its folder is made if need be.
    request : bytes
        Standard input of the process.
    output : Path, optional
        File of its standard output, beside the log; without one, that output is dropped.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        log: Path,
        request: bytes = b"",
        output: Path | None = None,
    ) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file, Path(output or os.devnull).open("wb") as written:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=file,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                # Ctrl-C reaches the process through this one, once
                start_new_session=True,
            )
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(request)

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def failure(self) -> str | None:
        """Return why the ended process failed: its signal or the last line of its log; None if it did not."""
        status = self._process.returncode
        if status == 0:
            return None
        if status < 0:
            return f"signal {-status}"
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("bench: ") if lines else f"exit status {status}"

    @staticmethod
    def stop(processes: Iterable["LoggedProcess"]) -> None:
        """Ask processes to stop, as SIGTERM does, and wait for them."""
        started = list(processes)
        for each in started:
            each._process.terminate()
        for each in started:
            each._process.wait()
