"""Disks that fill up or cannot be written."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import Request, Tally, first_problem
from faults.comparison import differs
from faults.processes import environment, only_run, run, run_words, undisturbed

KILOBYTES = (40, 150, 300, 450, 600, 700, 800, 900)  # size of the disk; the whole run needs about 1,000
ROOM = 256 * 1024
STEPS = 800
WORDS = [
    *run_words("began", steps=STEPS, eval_every=400, checkpoint_every=100),
    *("--set", "tracking=false"),
]


class CannotMount(Exception):
    """The machine does not allow mounting a file system."""


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a small file system within a block."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*words: str) -> None:
    try:
        done = subprocess.run(["mount", *words], capture_output=True, text=True)
    except OSError as error:
        raise CannotMount(str(error)) from None
    if done.returncode:
        raise CannotMount(done.stderr.strip())


def drill(request: Request) -> Iterator[Tally]:
    """Fill disks during runs, and start runs in folders that cannot be written."""
    whole = undisturbed(request, WORDS)
    yield _full(request, whole)
    yield _unwritable(request)


def _full(request: Request, whole: Path) -> Tally:
    tally = Tally(
        "disk full",
        "one line; with room again the run resumes, or starts, and ends as on an empty disk, bit for bit",
    )
    for kilobytes in KILOBYTES[: request.trials(len(KILOBYTES))]:
        folder = request.folder / f"full-{kilobytes}"
        logs = request.folder / "logs"
        env = environment(request, folder)
        try:
            with disk(folder, kilobytes):
                ended = run(WORDS, env, logs)
                problem = ended.one_line(1, 2)
                begun = list(folder.glob("mlruns/runs/*/run.json"))
                if begun and not problem and "--resume" not in ended.err:
                    problem = f"the line does not name the command that resumes: {ended.err[-200:]}"
                _mount("-o", f"remount,size={ROOM}k", str(folder))
                again = run(["run", "--resume", "last"] if begun else WORDS, env, logs)
                if again.status:
                    problem = problem or f"going on ended with status {again.status}: {again.err[-200:]}"
                tally.add(problem or differs(only_run(folder), whole))
        except CannotMount as error:
            tally.skipped = str(error)
            return tally
    return tally


def _unwritable(request: Request) -> Tally:
    tally = Tally(
        "results or cache folder read-only, or a file in its place", "one line, nothing left behind"
    )
    logs = request.folder / "logs"
    try:
        with disk(request.folder / "read-only", 1024) as folder:
            (folder / "mlruns").mkdir()
            _mount("-o", "remount,ro", str(folder))
            for home in (folder, folder / "missing"):
                tally.add(run(WORDS, environment(request, home), logs).one_line(1, 2))
            home = request.folder / "home-beside-read-only-cache"
            env = environment(request, home, BENCH_CACHE=str(folder / "cache"))
            ended = run(WORDS, env, logs)
            left = "a run was begun" if list(home.glob("mlruns/runs/*")) else None
            # the cache is optional, so the run may succeed without a cache
            tally.add(None if ended.status == 0 else first_problem([ended.one_line(1, 2), left]))
    except CannotMount as error:
        tally.skipped = str(error)
    file = request.folder / "a-file"
    file.write_text("not a folder")
    for home in (file, file / "below"):
        tally.add(run(WORDS, environment(request, home), logs).one_line(1, 2))
    occupied = request.folder / "occupied"
    occupied.mkdir()
    (occupied / "mlruns").write_text("not a folder")
    tally.add(run(WORDS, environment(request, occupied), logs).one_line(1, 2))
    env = environment(request, request.folder / "home", BENCH_CACHE=str(file))
    tally.add(run(WORDS, env, logs).one_line(1, 2))
    return tally
