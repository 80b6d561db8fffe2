"""Disks that are full, read-only or elsewhere: one line, nothing half made, and the run goes on later."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.execution.disk import checkpoint_size
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.runs import checkpoint, record
from bench.runs.generator import load
from bench.runs.record import RecordWriter
from bench.runs.run_folder import RunFolder, all_runs
from bench.system.errors import WorkError
from bench.training.trainer import Callback
from variants.base import Variant
from variants.registry import all_variants


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own, in memory, at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("mounting a file system is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class FillsTheDisk(Callback):
    """Leaves no room for the next checkpoint."""

    def __init__(self, folder: Path, step: int) -> None:
        self.file, self.step = folder / "filler", step

    def on_steps(self, rows: list[dict[str, Any]]) -> None:
        if not self.file.exists() and rows[-1]["step"] >= self.step:
            with self.file.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(65536))


def line_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and the one line of a command that ends badly."""
    capsys.readouterr()
    status = main(words)
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if not line.startswith("training")]
    assert len(told) == 1, lines
    assert told[0].startswith("bench: ")
    return status, told[0]


def run_words(small: SimpleNamespace, **values: object) -> list[str]:
    given = {name: value for name, value in (small.values | values).items() if name != "preset"}
    return ["run", "--variant", "began"] + [
        word for name, value in given.items() for word in ("--set", f"{name}={value}")
    ]


def test_a_disk_that_fills_in_training_stops_it_in_one_line_and_the_run_ends_bit_equal(
    small: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = small.tiny("began", steps=12, checkpoint_every=2, eval_every=0)
    whole = small.run(configuration)
    with mounted(tmp_path / "small", "size=3m") as disk:
        monkeypatch.setenv("BENCH_HOME", str(disk))
        filler = FillsTheDisk(disk, 5)
        with pytest.raises(WorkError) as stopped:
            start(configuration, Progress(quiet=True), on_start=lambda run, setup: [filler])
        (run,) = all_runs()
        told = str(stopped.value)
        assert "No space left on device" in told
        assert f"resume with: bench run --resume {quote(run.describe().name)}" in told
        assert "\n" not in told
        rows = record.read(run.record_path)
        assert not rows.is_over()
        steps = [checkpoint.read(path, run.origin())["step"] for path in run.checkpoint_files()]
        assert steps
        assert 2 <= max(steps) < 12
        assert [path for path in run.checkpoints.iterdir() if path.name.startswith(".")] == []
        with pytest.raises(WorkError, match="No space left on device.*resume with"):
            resume(run, Progress(quiet=True))
        filler.file.unlink()
        outcome = resume(run, Progress(quiet=True))
        assert small.same(small.final_state(run), small.final_state(whole.run))
        assert small.numbers(run) == small.numbers(whole.run)
        assert outcome.record.is_over()


def test_a_run_without_room_for_its_checkpoints_is_not_begun(
    small: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with mounted(tmp_path / "small", "size=64k") as disk:
        monkeypatch.setenv("BENCH_HOME", str(disk))
        status, line = line_of(run_words(small), capsys)
        assert status == 1
        assert "free, and the run's checkpoints need at least" in line
        assert list(disk.iterdir()) == []


def test_a_read_only_results_folder_is_told_in_one_line(
    small: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with mounted(tmp_path / "fixed", "ro") as disk:
        monkeypatch.setenv("BENCH_HOME", str(disk))
        status, line = line_of(run_words(small), capsys)
    assert status == 1
    assert "Read-only file system" in line


def test_a_read_only_cache_is_told_in_one_line(
    small: SimpleNamespace,
    bench_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with mounted(tmp_path / "fixed", "ro") as disk:
        monkeypatch.setenv("BENCH_CACHE", str(disk))
        status, line = line_of(run_words(small), capsys)
    assert status == 1
    assert "Read-only file system" in line
    assert not bench_home.exists()


@pytest.mark.parametrize("place", ["BENCH_HOME", "mlruns", "runs", "BENCH_CACHE"])
def test_a_file_where_a_folder_belongs_is_told_in_one_line(
    place: str,
    small: SimpleNamespace,
    bench_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = {
        "BENCH_HOME": bench_home,
        "mlruns": bench_home / "mlruns",
        "runs": bench_home / "mlruns" / "runs",
    }.get(place, tmp_path / "cache")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("not a folder")
    if place == "BENCH_CACHE":
        monkeypatch.setenv("BENCH_CACHE", str(file))
    status, line = line_of(run_words(small), capsys)
    assert status == 1
    assert str(file) in line
    assert file.read_text() == "not a folder"


def test_a_folder_of_another_user_is_told_in_one_line(small: SimpleNamespace) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "bench"]
    # pytest's own folders are closed to others
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        locked, cache = folder / "locked", folder / "cache"
        locked.mkdir(mode=0o755)
        cache.mkdir(mode=0o777)
        cache.chmod(0o777)
        environment = os.environ | {"BENCH_HOME": str(locked), "BENCH_CACHE": str(cache), "HOME": str(cache)}
        if subprocess.run([*user, "--version"], capture_output=True, env=environment).returncode != 0:
            pytest.skip("another user cannot read this checkout or its environment")
        done = subprocess.run(
            [*user, *run_words(small)], capture_output=True, text=True, env=environment, timeout=300
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith("bench: ")]
        assert (done.returncode, len(lines)) == (1, 1), done.stderr
        assert "Permission denied" in lines[0]
        assert str(locked) in lines[0]
        assert "Traceback" not in done.stderr
        assert list(locked.iterdir()) == []


def test_rows_that_find_no_room_leave_a_whole_record(tmp_path: Path) -> None:
    path = tmp_path / record.FILE
    code = (
        "import resource, sys; from pathlib import Path; from bench.runs.record import RecordWriter;"
        "writer = RecordWriter(Path(sys.argv[1])); writer.write([{'step': 1}, {'step': 2}]);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50));"
        "writer.write([{'step': step} for step in range(3, 99)])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert str(path) in done.stderr
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    writer = RecordWriter(path)
    writer.write([{"step": 3}])
    writer.close()
    assert [row["step"] for row in record.read(path).steps] == [1, 2, 3]


def test_a_file_size_limit_stops_a_run_in_one_line(small: SimpleNamespace, bench_home: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    # the cache is filled without the limit
    small.run(small.tiny("began", steps=1))
    words = [sys.executable, "-m", "bench", *run_words(small, filters=8)]
    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=limited, timeout=300)
    lines = [line for line in done.stderr.splitlines() if line.startswith("bench: ")]
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert "File too large" in lines[0]
    assert "resume with: bench run --resume" in lines[0]
    runs: list[RunFolder] = all_runs()
    assert list(runs[-1].checkpoints.iterdir()) == []


def test_output_that_cannot_be_written_is_told_in_one_line() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with full.open("w") as nowhere:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "datasets"], stdout=nowhere, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.startswith("bench: a file or the output cannot be written: No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize("variant", [*sorted(all_variants()), "trio"])
def test_the_size_that_is_asked_for_is_that_of_the_numbers_in_a_checkpoint(
    variant: str, decay: float, trio: type[Variant], small: SimpleNamespace
) -> None:
    # so many that every layer of a growing network was trained
    configuration = small.tiny(variant, steps=5, ema_decay=decay)
    run = small.run(configuration).run
    state = checkpoint.read(run.checkpoints / "step-00000005.safetensors")
    trained = load(run, "last").variant
    modules = {name: network.module for name, network in trained.networks().items()}
    numbers = sum(each.numel() for module in modules.values() for each in module.parameters())
    for optimizer in state["optimizers"].values():
        kept = [each.items() for each in optimizer["state"].values()]
        numbers += sum(value.numel() for each in kept for key, value in each if key != "step")
    for name, average in state["averages"].items():
        numbers += sum(average[f"module.{key}"].numel() for key, _ in modules[name].named_parameters())
    assert checkpoint_size(configuration, trained) == 4 * numbers
