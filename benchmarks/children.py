"""Sides that train in processes of their own."""

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
    """What a child finds in its environment: the project from this checkout, and some values."""
    paths = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | values


class ChildSide(Side):
    """A side whose steps another process takes on command (stepping_child.py).

    It starts at once; :meth:`start` waits until it stands.

    Parameters
    ----------
    kind : str
        ``trainer``, ``plain`` or ``plain without loader``.
    given : dict
        Its configuration.
    """

    def __init__(self, kind: str, given: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(FOLDER / "stepping_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._tell({"kind": kind, "given": given})

    def start(self) -> None:
        """Wait until it stands and has taken its first step.

        Raises
        ------
        WorkError
            If the side cannot be built, or its first step fails; says why.
        """
        self._hear()
        self.prepare(1)
        self.advance(1)

    def _tell(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise WorkError(answer["error"])

    def prepare(self, steps: int) -> None:
        """Have it do what does not count."""
        self._tell({"prepare": steps})
        self._hear()

    def advance(self, steps: int) -> None:
        """Have it train so many steps, and wait for it."""
        self._tell({"advance": steps})
        self._hear()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
