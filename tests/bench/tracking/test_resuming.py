"""A run goes on whatever became of its store, and the store is made whole again from the record."""

import json
import os
import socket
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bench.cli import main
from bench.execution.progress import Progress
from bench.execution.session import resume, start
from bench.runs import record, run_folder
from bench.training.trainer import Callback

LOUD, QUIET = Progress(), Progress(quiet=True)


def store(home: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{home / 'mlruns' / 'mlflow.db'}")


def delete_store(home: Path) -> None:
    for path in (home / "mlruns").glob("mlflow.db*"):
        path.unlink()


def said(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Lines about tracking on standard error, that of the tracking process among it."""
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert len(err) < 4000
    return [line for line in err.splitlines() if "track" in line]


class At(Callback):
    """Does something once, when a run has reached a step."""

    def __init__(self, step: int, work: Any) -> None:
        self.step, self.work = step, work

    def on_steps(self, rows: list[dict[str, Any]]) -> None:
        if self.work and rows[-1]["step"] >= self.step:
            work, self.work = self.work, None
            work()


class Kill(Callback):
    """Kills the tracking process when steps have come, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def on_steps(self, rows: list[dict[str, Any]]) -> None:
        if not self.times:
            return
        self.times -= 1
        (tracker,) = psutil.Process().children()
        tracker.kill()
        # all its threads have ended, and its exit status is still there for its parent
        os.waitid(os.P_PID, tracker.pid, os.WEXITED | os.WNOWAIT)


def test_a_run_whose_store_is_lost_goes_on_and_creates_the_store_again(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tools.stopped(small.tiny("began", tracking=True))
    assert run.describe().tracking == "default"
    delete_store(bench_home)
    assert main(["run", "--resume", "last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "FINISHED"
    client = store(bench_home)
    (experiment,) = [e for e in client.search_experiments() if e.name == "began-bench"]
    (shown,) = client.search_runs([experiment.experiment_id])
    assert shown.data.tags["bench.run"] == run.id
    assert shown.info.status == "FINISHED"
    assert tools.points(client, shown.info.run_id) == tools.recorded(run)
    assert set(tools.points(client, shown.info.run_id).values()) == {1}
    assert tools.pictures(client, shown.info.run_id) == [
        f"{step}{kind}" for step in ("4", "8", "9") for kind in (".png", ".webp")
    ]


def test_a_run_resumes_in_a_moved_mlruns(
    small: SimpleNamespace,
    tools: SimpleNamespace,
    bench_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tools.stopped(small.tiny("began", tracking=True))
    moved = tmp_path / "moved"
    bench_home.rename(moved)
    monkeypatch.setenv("BENCH_HOME", str(moved))
    resume(run_folder.find(run.id), QUIET)
    assert not bench_home.exists()
    client = store(moved)
    assert client.get_run(run.id).info.status == "FINISHED"
    assert client.get_run(run.id).info.artifact_uri.startswith((moved / "mlruns" / "artifacts").as_uri())
    assert tools.points(client, run.id) == tools.recorded(run_folder.find(run.id))
    below = moved / "mlruns" / "artifacts" / run.id / "artifacts"
    assert {"record.jsonl", "run.json", "checkpoints", "images"} <= {path.name for path in below.iterdir()}


def test_a_resume_may_change_execution_settings_but_no_other_knob(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tools.stopped(small.tiny("began", tracking=True))
    before = (run.path / "run.json").read_bytes()
    words = ["run", "--resume", "last", "--set", "tracking=false", "--set", "threads=2"]
    assert main([*words, "--set", "gamma=0.7"]) == 2
    assert "gamma 1.0 -> 0.7" in capsys.readouterr().err
    assert main([*words, "--experiment", "other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "FINISHED"
    assert (run.path / "run.json").read_bytes() == before
    first, last = record.read(run.record_path).sessions
    assert first.execution_settings == {}
    assert last.execution_settings == {"tracking": False, "threads": 2, "experiment": "other"}
    # the store has what it had
    assert store(bench_home).get_run(run.id).info.status == "KILLED"
    assert main(["track", run.id, "--json"]) == 0
    assert store(bench_home).get_run(run.id).info.status == "FINISHED"
    assert tools.points(store(bench_home), run.id) == tools.recorded(run)


def test_a_run_without_tracking_may_be_tracked_from_a_resume_on(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path
) -> None:
    run = tools.stopped(small.tiny("began"))
    assert run.describe().tracking is None
    assert main(["run", "--resume", "last", "--set", "tracking=true"]) == 0
    client = store(bench_home)
    (experiment,) = [e for e in client.search_experiments() if e.name == "began-bench"]
    (shown,) = client.search_runs([experiment.experiment_id])
    assert tools.points(client, shown.info.run_id) == tools.recorded(run)


def test_a_store_that_is_away_at_a_resume_is_reported_and_completed_later(
    small: SimpleNamespace,
    tools: SimpleNamespace,
    bench_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = tools.stopped(small.tiny("began", tracking=True))
    capfd.readouterr()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://alice:hunter22@127.0.0.1:9")
    outcome = resume(run, LOUD)
    assert outcome.record.is_over()
    name = run.describe().name
    lines = said(capfd)
    assert any("tracked in http://127.0.0.1:9, which MLFLOW_TRACKING_URI names" in line for line in lines)
    assert f"bench track {quote(name)}" in lines[-1]
    assert "hunter22" not in " ".join(lines)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["track", name]) == 0
    assert tools.points(store(bench_home), run.id) == tools.recorded(run)


def test_a_store_deleted_during_training_is_reported_in_one_line_and_created_again_later(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    at = At(5, lambda: delete_store(bench_home))
    outcome = start(small.tiny("began", tracking=True), LOUD, on_start=lambda run, setup: [at])
    assert outcome.record.end is not None
    assert outcome.record.end.status == "FINISHED"
    lines = said(capfd)
    assert len(lines) == 1, lines
    (line,) = lines
    assert "mlflow.db was deleted or replaced" in line
    assert f"bench track {quote(outcome.description.name)}" in line
    assert main(["track", "--all"]) == 0
    client = store(bench_home)
    (experiment,) = [e for e in client.search_experiments() if e.name == "began-bench"]
    (shown,) = client.search_runs([experiment.experiment_id])
    assert tools.points(client, shown.info.run_id) == tools.recorded(outcome.run)


def test_repeated_deaths_of_the_tracking_process_are_reported_with_advice(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configuration = small.tiny("began", tracking=True, eval_every=2)
    outcome = start(configuration, LOUD, on_start=lambda run, setup: [Kill(4)])
    lines = said(capfd)
    again = "warning: tracking: the tracking process was killed by signal 9; it is started again"
    assert lines[:-1] == [again] * 3
    assert lines[-1].endswith(f"bench track {quote(outcome.description.name)}")
    # the end tries once more
    assert store(bench_home).get_run(outcome.run.id).info.status == "FINISHED"
    assert tools.points(store(bench_home), outcome.run.id) == tools.recorded(outcome.run)


def test_a_sample_grid_is_sent_once_even_after_a_failed_attempt(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def block() -> None:
        run = run_folder.find("last")
        images = bench_home / "mlruns" / "artifacts" / run.id / "artifacts" / "images"
        images.parent.mkdir(parents=True, exist_ok=True)
        # a file where the pictures' folder should be
        images.write_text("in the way")

    outcome = start(small.tiny("began", tracking=True), LOUD, on_start=lambda run, setup: [At(1, block)])
    assert f"bench track {quote(outcome.description.name)}" in said(capfd)[-1]
    (bench_home / "mlruns" / "artifacts" / outcome.run.id / "artifacts" / "images").unlink()
    client = store(bench_home)
    whole = [f"{step}{kind}" for step in ("4", "8", "9") for kind in (".png", ".webp")]
    for _ in range(2):
        assert main(["track", outcome.run.id]) == 0
        assert tools.pictures(client, outcome.run.id) == whole
    resume(outcome.run, QUIET)
    assert tools.pictures(client, outcome.run.id) == whole


@pytest.mark.parametrize("kind", ["folder", "text"])
def test_a_store_that_is_no_database_is_an_error_in_one_line(
    kind: str, bench_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = bench_home / "mlruns" / "mlflow.db"
    if kind == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True)
        path.write_text("something else, of more than sixteen bytes")
    assert main(["run", "--variant", "began", "--steps", "3"]) == 1
    assert main(["ui"]) == 1
    lines = capfd.readouterr().err.splitlines()
    told = [line for line in lines if line.startswith("bench: ")]
    reason = {"folder": "is a folder, not a database", "text": "is not an SQLite database"}[kind]
    assert len(told) == 2
    assert all(reason in line for line in told)
    assert not any("Traceback" in line for line in lines)
    assert not (bench_home / "mlruns" / "runs").exists()


def test_a_database_that_does_not_answer_is_an_error_within_the_patience(
    bench_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("BENCH_TRACKING_PATIENCE", "6")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        address = f"postgresql+psycopg://alice:hunter22@127.0.0.1:{port}/d"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert main(["run", "--variant", "began", "--steps", "3"]) == 1
    captured = capfd.readouterr()
    told = [line for line in captured.err.splitlines() if line.startswith("bench: ")]
    assert len(told) == 1
    assert "tracking" in told[0]
    assert "hunter22" not in captured.err + captured.out
    assert not (bench_home / "mlruns" / "runs").exists()


def test_two_processes_send_a_run_in_turn(
    small: SimpleNamespace, tools: SimpleNamespace, bench_home: Path
) -> None:
    from bench.system.errors import WorkError
    from bench.tracking.follower import Follower
    from bench.tracking.opening import open_store
    from bench.tracking.store_choice import current_store

    run = small.run(small.tiny("began")).run
    opened = open_store(current_store(), bench_home / "mlruns")
    first, second = (Follower(run, lambda: opened) for _ in range(2))
    first.send()
    with pytest.raises(WorkError, match="another process still sends"):
        second.send()
    first.send(final=True)
    # it was slow, and its last request arrives after the other has begun
    pending = record.read(run.record_path).steps
    first.close()
    second.send()
    from bench.tracking import store as writing

    late = [(f"train/{name}", row["step"], row[name]) for row in pending for name in row if name != "step"]
    writing.send_points(opened.client, first.id, late, writing.created(run.describe()))
    second.close()
    second.close()
    assert second.id == first.id
    assert tools.points(store(bench_home), first.id) == tools.recorded(run)
    assert set(tools.points(store(bench_home), first.id).values()) == {1}
