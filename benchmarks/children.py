"""Sides that train in separate processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from interleaved import Side

from bench.system.errors import WorkError

FOLDER = Path(__file__).parent


def environment(**values: str) -> dict[str, str]:
    """Return the environment of a child process: this checkout on the module path, and some values."""
    paths = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | values


class ChildSide(Side):
    """A side whose steps another process runs on command (stepping_child.py).

    The constructor starts the process; :meth:`start` waits until the side is ready.

    Parameters
    ----------
    kind : str
        ``trainer``, ``plain`` or ``plain without loader``.
    given : dict
        Configuration of the run.
    """

    def __init__(self, kind: str, given: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "stepping_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._send({"kind": kind, "given": given})

    def start(self) -> None:
        """Wait until the side is built and its first step is done.

        Raises
        ------
        WorkError
            If the side cannot be built, or its first step fails; the message is the reason.
        """
        self._receive()
        self.prepare(1)
        self.advance(1)

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise WorkError(answer["error"])

    def prepare(self, steps: int) -> None:
        """Do untimed work in the process."""
        self._send({"prepare": steps})
        self._receive()

    def advance(self, steps: int) -> None:
        """Train `steps` steps in the process and wait for them."""
        self._send({"advance": steps})
        self._receive()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
