"""Run many `bench` commands quickly: each in a forked process that has the slow imports already."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch  # noqa: F401  (imported before the fork, since each command needs it)

import bench.execution.session  # noqa: F401
from bench.cli import main
from faults.processes import Ended

TIMEOUT = 120.0  # seconds after which a command counts as hung


def run(words: Sequence[str], env: Mapping[str, str], folder: Path) -> Ended:
    """Run a `bench` command in a forked process, which is killed if it hangs.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command.
    env : mapping
        Whole environment of the process.
    folder : Path
        Current folder of the process; the output files are beside that folder.
    """
    return call(partial(main, list(words)), env, folder)


def call(function: Callable[[], int], env: Mapping[str, str], folder: Path) -> Ended:
    """Call a function in a forked process that exits with the returned status; see :func:`run`."""
    folder.mkdir(parents=True, exist_ok=True)
    out, err = (folder.with_name(f"{folder.name}.{kind}") for kind in ("out", "err"))
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become(function, env, folder, out, err)
    status = _wait(child)
    return Ended(status, out.read_text(errors="replace"), err.read_text(errors="replace"))


def _become(function: Callable[[], int], env: Mapping[str, str], folder: Path, out: Path, err: Path) -> None:
    status = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(env)
        for descriptor, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # new streams, since those of the parent may be redirected
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", errors="backslashreplace")  # noqa: SIM115
        status = function()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # exits without running the parent's handlers
        os._exit(status)


def _wait(child: int) -> int:
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL
