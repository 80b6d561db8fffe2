"""Temporary files of killed processes: removed at a resume, and never uploaded."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.execution.progress import Progress
from bench.execution.session import start
from bench.execution.setup import TrainingSetup
from bench.runs import run_folder
from bench.runs.run_folder import RunFolder
from bench.system.atomic_files import PREFIX, atomic_write
from bench.system.leftovers import remove_leftovers


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.name != ".lock"]


def killed(code: str, *words: str) -> int:
    """Run code in a process that kills itself, and return the number that the process had."""
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *words])
    assert process.wait() == -signal.SIGKILL
    return process.pid


# the second checkpoint of a run is half written when the process is killed
DIES_WRITING = """
    import os, signal, sys
    from pathlib import Path
    from bench.cli import main

    written, whole = [], Path.write_bytes

    def half(path, content):
        if path.suffix == ".safetensors":
            written.append(path)
            if len(written) == 2:
                whole(path, content[: len(content) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
        return whole(path, content)

    Path.write_bytes = half
    main(["run", "--json", "--config", sys.argv[1]])
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_checkpoint_leaves_nothing_after_the_resume(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    whole = small.run(small.tiny("began")).run
    words = [f"{name}: {str(value).lower()}" for name, value in (small.values | {"variant": "began"}).items()]
    (tmp_path / "run.yaml").write_text("\n".join(words))
    killed(DIES_WRITING, str(tmp_path / "run.yaml"))
    run = run_folder.find("last")
    assert run != whole
    (left,) = hidden(run.path)
    assert left.parent == run.checkpoints
    assert [path.name for path in run.checkpoint_files()] == ["step-00000003.safetensors"]
    # as other kills would leave them
    for folder in (run.path, run.samples, run.figures):
        (folder / left.name).touch()
    assert main(["run", "--json", "--resume", run.id]) == 0
    assert hidden(run.path) == []
    assert small.numbers(run) == small.numbers(whole)
    assert small.same(small.final_state(run), small.final_state(whole))


@pytest.fixture
def living() -> Iterator[int]:
    """The number of a process that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid


def test_files_of_living_processes_and_all_others_stay(tmp_path: Path, living: int) -> None:
    dead = killed("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    own = [f"{PREFIX}{living}-0a1b.png", f"{PREFIX}{os.getpid()}-0a1b.png", ".lock", "step-1.png", ".bench-x"]
    for folder in (tmp_path, tmp_path / "a", deep):
        for name in [*own, f"{PREFIX}{dead}-0a1b.png", f"{PREFIX}{dead}-0a1b"]:
            (folder / name).touch()
    (tmp_path / f"{PREFIX}{dead}-folder").mkdir()
    (tmp_path / f"{PREFIX}{dead}-folder" / "file").touch()
    (tmp_path / "link").symlink_to(deep)
    remove_leftovers(tmp_path)
    for folder in (tmp_path, tmp_path / "a"):
        assert {path.name for path in folder.iterdir()} - {"a", "b", "link"} == set(own)
    # deeper than was asked for
    assert len(list(deep.iterdir())) == len(own) + 2
    remove_leftovers(tmp_path / "none")


def test_a_later_process_of_the_same_number_does_not_keep_a_file(tmp_path: Path, living: int) -> None:
    file = tmp_path / f"{PREFIX}{living}-0a1b.png"
    file.touch()
    remove_leftovers(tmp_path)
    assert file.exists()
    # written long before that process began
    os.utime(file, (1e9, 1e9))
    remove_leftovers(tmp_path)
    assert not file.exists()


def test_a_killed_process_leaves_what_is_told_by_its_name(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from bench.system.atomic_files import replacing
        with replacing(Path(sys.argv[1])) as aside:
            aside.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed(code, str(tmp_path / "figure.png"))
    (left,) = tmp_path.iterdir()
    with atomic_write(tmp_path / "other.png") as aside:
        aside.write_bytes(b"being written")
        remove_leftovers(tmp_path)
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["other.png"]


def test_caches_are_rid_of_them_when_the_next_run_begins(
    small: SimpleNamespace, bench_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(cache))
    dead = killed("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    for folder in ("images", "reference", "datasets"):
        (cache / folder).mkdir(parents=True)
        (cache / folder / f"{PREFIX}{dead}-0a1b.npy").touch()
    small.run(small.tiny("began", steps=1, eval_every=0))
    assert not list(cache.rglob(f"{PREFIX}*"))


@pytest.mark.slow
def test_unfinished_files_are_not_uploaded(small: SimpleNamespace, bench_home: Path) -> None:
    from mlflow import MlflowClient

    planted: list[Path] = []

    def begun(run: RunFolder, setup: TrainingSetup) -> list[Any]:
        # of a living process, such as one that draws this run's figures
        for folder in (run.checkpoints, run.figures):
            planted.append(folder / f"{PREFIX}{os.getpid()}-0a1b.png")
            planted[-1].write_bytes(b"half")
        return []

    run = start(small.tiny("began", tracking=True, steps=2, eval_every=0), Progress(True), on_start=begun).run
    assert all(path.exists() for path in planted)
    client = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    sent = [item.path for name in ("checkpoints", "figures") for item in client.list_artifacts(run.id, name)]
    assert sent == ["checkpoints/step-00000002.safetensors"]
