"""Real `bench` processes: started, killed, and their output read."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from faults import Request

CHECKOUT = Path(__file__).parents[2]
# a small real run: about 1 ms per step, and a checkpoint every few milliseconds
TINY: dict[str, Any] = {
    "filters": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "eval_samples": 100,
    "extractor": "shipped",
    "device": "cpu",
    "threads": 1,
    "figures": False,
}
TIMEOUT = 600.0  # seconds after which a process counts as hung


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes
    ----------
    status : int
        Exit status; negative for a signal.
    out, err : str
        Standard output and error.
    """

    status: int
    out: str
    err: str

    def lines(self) -> list[str]:
        """Return the lines of standard error with failures."""
        return [line for line in self.err.splitlines() if line.startswith("bench: ")]

    def one_line(self, *statuses: int) -> str | None:
        """Return what is wrong unless the process ended with one of `statuses` and exactly one line."""
        if self.status not in statuses:
            return f"status {self.status}: {self.err[-200:]}"
        if "Traceback" in self.err:
            return f"traceback: {self.err[-200:]}"
        if len(self.lines()) != 1:
            return f"{len(self.lines())} lines on standard error: {self.err[-200:]}"
        return None


def environment(request: Request, home: Path, **values: str) -> dict[str, str]:
    """Return the environment of a `bench` process: this checkout, its own results folder, one thread."""
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "BENCH_HOME": str(home),
        "BENCH_CACHE": str(request.cache),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **values,
    }


def run_words(variant: str, **values: Any) -> list[str]:
    """Return the arguments of a `bench run` command that trains a small run."""
    settings = [word for name, value in (TINY | values).items() for word in ("--set", f"{name}={value}")]
    return ["run", "--variant", variant, *settings]


class Process:
    """A `bench` process with its output in files, so that it never blocks on a reader.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command.
    env : mapping
        Environment of the process; see :func:`environment`.
    log : Path
        Folder of the output files.
    """

    _count = 0

    def __init__(self, words: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        Process._count += 1
        log.mkdir(parents=True, exist_ok=True)
        self._out, self._err = (log / f"{Process._count:04d}.{kind}" for kind in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "bench", *words],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=log,
            )

    def ended(self) -> bool:
        """Return whether the process has ended."""
        return self.popen.poll() is not None

    def kill(self, whole_tree: bool) -> None:
        """Kill the process with SIGKILL, with `whole_tree` its children too; return when all have ended."""
        children = _children(self.popen.pid)
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        if whole_tree:
            for child in children:
                _kill(child)
        # an orphaned tracking process ends by itself
        _, alive = psutil.wait_procs(children, timeout=TIMEOUT)
        if alive:
            raise TimeoutError(f"children of a killed process live on: {alive}")

    def tracking_processes(self) -> list[psutil.Process]:
        """Return the child processes."""
        return _children(self.popen.pid)

    def pause(self) -> None:
        """Sleep for a moment."""
        time.sleep(0.05)

    def wait(self) -> Ended:
        """Wait until the process has ended, and return its status and output."""
        try:
            status = self.popen.wait(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill(whole_tree=True)
            status = -signal.SIGKILL
        return Ended(status, self._out.read_text(errors="replace"), self._err.read_text(errors="replace"))


def run(words: Sequence[str], env: Mapping[str, str], log: Path) -> Ended:
    """Run a `bench` command and return its status and output."""
    return Process(words, env, log).wait()


def undisturbed(request: Request, words: Sequence[str]) -> Path:
    """Train an undisturbed run without tracking, and return its folder.

    Raises
    ------
    RuntimeError
        If the run fails.
    """
    home = request.folder / "undisturbed"
    ended = run([*words, "--set", "tracking=false"], environment(request, home), home / "logs")
    if ended.status:
        raise RuntimeError(f"the undisturbed run failed: {ended.err}")
    return only_run(home)


def wait_until(condition: Callable[[], object], description: str) -> None:
    """Wait until a condition holds.

    Raises
    ------
    TimeoutError
        If the condition does not hold within TIMEOUT.
    """
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {TIMEOUT:.0f} s: {description}")
        time.sleep(0.02)


def recorded_steps(home: Path) -> int:
    """Return the number of lines of the newest record below a results folder; 0 without a record."""
    records = sorted(home.glob("mlruns/runs/*/record.jsonl"), key=lambda path: path.stat().st_mtime)
    return records[-1].read_bytes().count(b"\n") if records else 0


def only_run(home: Path) -> Path:
    """Return the folder of the only run below a results folder."""
    (folder,) = [path.parent for path in home.glob("mlruns/runs/*/run.json")]
    return folder


def _children(process_id: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process_id).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    if process.is_running():
        process.kill()


def printed_json(ended: Ended) -> dict[str, Any]:
    """Return the JSON object that a command printed."""
    answer: dict[str, Any] = json.loads(ended.out)
    return answer
