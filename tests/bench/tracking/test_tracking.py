"""Tracking in a real SQLite store, followed by real processes that are really killed."""

import json
import random
import signal
import subprocess
import sys
import time
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
from bench.runs.description import StudyTrial
from bench.runs.run_folder import RunFolder
from bench.tracking.follower import Follower
from bench.tracking.opening import open_store
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store


def store(bench_home: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")


def steps(client: Any, run_id: str, name: str) -> list[int]:
    return [metric.step for metric in client.get_metric_history(run_id, name)]


def test_mlflow_shows_the_record(
    small: SimpleNamespace, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow
    import torch

    run = start(small.tiny("began-v3", tracking=True, figures=True), Progress()).run
    # what takes its time after the last step is said
    assert capsys.readouterr().err.splitlines()[-2:] == ["drawing figures", "sending the rest to MLflow"]
    client = store(bench_home)
    seen = client.get_run(run.id)
    described, rows = run.describe(), record.read(run.record_path)
    assert seen.info.status == "FINISHED"
    assert seen.info.run_name == described.name
    assert seen.data.params == {k: "" if v is None else str(v) for k, v in described.config.flat().items()}
    assert rows.end is not None
    tags = seen.data.tags
    assert tags["health"] == rows.end.health
    assert tags["data.hash"] == described.data.hash
    assert tags["config.hash"] == described.config_hash
    assert tags["metric.protocol"].startswith("digits-garments@")
    assert {"variant", "dataset", "preset", "seed", "source.commit"} <= set(tags)
    assert tags["bench.run"] == run.id
    # few tags in sight: MLflow's pages hide its own, and machine and packages are in run.json
    shown = {name for name in tags if not name.startswith("mlflow.")}
    assert len(shown) <= 11
    note = tags["mlflow.note.content"]
    assert note.startswith(f"**{rows.end.health}** after 9 steps; fd_digits_garments ")
    assert f"bench verify {run.id[:6]}" in note
    assert described.protocol in note
    for name in (
        "M",
        "k",
        "balance",
        "loss_real",
        "loss_fake",
        "loss_d",
        "loss_g",
        "lr_d",
        "lr_g",
        "kl_real",
    ):
        history = client.get_metric_history(run.id, f"train/{name}")
        assert [(m.step, m.value) for m in history] == [(row["step"], row[name]) for row in rows.steps], name
    assert steps(client, run.id, "eval/fd_digits_garments") == [4, 8, 9]
    assert seen.data.metrics["best/M"] == rows.end.best["M_best"]
    assert seen.data.metrics["best/M_step"] == rows.end.best["M_best_step"]
    assert [i.dataset.name for i in seen.inputs.dataset_inputs] == ["mnist-5k"]
    names = {item.path for item in client.list_artifacts(run.id)}
    assert {"checkpoints", "figures", "images", "record.jsonl", "run.json"} <= names
    # the generator is a model that the run's page lists, with the metrics of its own evaluation
    (output,) = seen.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    best = next(each for each in rows.evaluations if each.step == output.step)
    assert (model.name, model.source_run_id, model.status.value) == ("generator", run.id, "READY")
    assert output.step == rows.end.best["fd_digits_garments_best_step"]
    assert {metric.key: metric.value for metric in model.metrics} == {
        f"eval/{name}": value for name, value in best.values.items()
    }
    mlflow.set_tracking_uri(f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    for address in (f"runs:/{run.id}/generator", f"models:/{output.model_id}"):
        generator = mlflow.pytorch.load_model(address)
        assert generator(torch.zeros(3, 6)).shape == (3, 1, 28, 28)
    assert not list(Path.cwd().glob("mlartifacts"))


def test_an_extended_run_goes_on_in_its_mlflow_run(small: SimpleNamespace, bench_home: Path) -> None:
    run = small.run(small.tiny("began", tracking=True)).run
    client = store(bench_home)
    short = client.get_run(run.id)
    ended = resume(run, Progress(quiet=True), steps=14).record.end
    seen = client.get_run(run.id)
    assert len(client.search_runs([seen.info.experiment_id])) == 1
    assert seen.info.status == "FINISHED"
    assert steps(client, run.id, "train/M") == list(range(1, 15))
    # the old end's evaluation stays, as it does in the record
    assert steps(client, run.id, "eval/fd_digits_garments") == [4, 8, 9, 12, 14]
    assert steps(client, run.id, "best/M") == [9, 14]
    assert ended is not None
    assert seen.data.metrics["best/M"] == ended.best["M_best"]
    tags = seen.data.tags
    assert (tags["extended"], tags["config.hash"]) == ("9 -> 14", run.describe().config_hash)
    assert tags["config.hash"] != short.data.tags["config.hash"]
    # MLflow never changes a param
    assert seen.data.params["steps"] == "9"


def test_a_store_that_is_away_is_an_error_in_one_line(
    small: SimpleNamespace,
    bench_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(["run", "--variant", "began", "--steps", "3"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1
    assert "tracking=false" in lines[0]
    assert not (bench_home / "mlruns" / "runs").exists()


def start_process(small: SimpleNamespace, steps: int, **values: Any) -> subprocess.Popen[str]:
    chosen = small.values | {"steps": steps, "tracking": True} | values
    chosen.pop("preset")
    words = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "--variant", "began-v3", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Any, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.05)


def kill_after(process: subprocess.Popen[str], bench_home: Path, checkpoints: int, delay: float) -> None:
    """Kill -9 a run `delay` seconds after it has written so many checkpoints in all."""

    def reached() -> bool:
        assert process.poll() is None, process.communicate()[1]
        lines = [path.read_text() for path in bench_home.glob("mlruns/runs/*/record.jsonl")]
        return bool(lines) and lines[0].count('"event": "checkpoint"') >= checkpoints

    wait_until(reached)
    time.sleep(delay)
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.wait()
    # the tracking process notices and ends by itself
    psutil.wait_procs(children, timeout=60)
    assert not any(child.is_running() for child in children)


@pytest.mark.slow
def test_repeated_kills_leave_no_gap_no_duplicate_and_the_same_bits(
    small: SimpleNamespace, bench_home: Path, tmp_path: Path
) -> None:
    total = 300
    delays = random.Random(0)
    process = start_process(small, total, eval_every=50, checkpoint_every=20)
    for checkpoints in (2, 6, 11):
        kill_after(process, bench_home, checkpoints, delays.uniform(0, 0.4))
        run = run_folder.find("last")
        assert store(bench_home).get_run(run.id).info.status == "KILLED"
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", "run", "--resume", "last", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert json.loads(out)["status"] == "FINISHED"

    whole = small.run(small.tiny("began-v3", steps=total, eval_every=50, checkpoint_every=20)).run
    assert small.numbers(run) == small.numbers(whole)
    assert small.same(small.final_state(run), small.final_state(whole))
    client = store(bench_home)
    for name in ("M", "k", "loss_d", "lr_g"):
        assert steps(client, run.id, f"train/{name}") == list(range(1, total + 1)), name
    assert steps(client, run.id, "eval/classes_covered") == list(range(50, total + 1, 50))
    assert client.get_run(run.id).info.status == "FINISHED"
    assert len(client.search_runs([client.get_run(run.id).info.experiment_id])) == 1


@pytest.mark.slow
def test_a_stopped_run_is_killed_in_mlflow_and_resumes_in_the_same_run(
    small: SimpleNamespace, bench_home: Path
) -> None:
    process = start_process(small, 200, eval_every=0)
    wait_until(lambda: list(bench_home.glob("mlruns/runs/*/checkpoints/step-*")))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    run, client = run_folder.find("last"), store(bench_home)
    assert client.get_run(run.id).info.status == "KILLED"
    resume(run, Progress(quiet=True))
    assert client.get_run(run.id).info.status == "FINISHED"
    assert steps(client, run.id, "train/k") == list(range(1, 201))


def test_a_run_that_ends_before_its_first_step_is_killed_in_mlflow(
    small: SimpleNamespace, bench_home: Path
) -> None:
    from bench.execution.setup import set_up

    tracker = TrackingProcess()
    setup = set_up(small.tiny("began", tracking=True), Progress(quiet=True))
    run_id = tracker.create(setup.describe("none", "never begun"), current_store())
    assert store(bench_home).get_run(run_id).info.status == "RUNNING"
    assert tracker.close() is None
    assert store(bench_home).get_run(run_id).info.status == "KILLED"


def follow_trained(
    small: SimpleNamespace, tracker: TrackingProcess, run: RunFolder, study: StudyTrial | None = None
) -> RunFolder:
    """Have a run followed that was trained without tracking; it gets an id of the store."""
    described = run.describe().model_copy(update={"study": study})
    run_id = tracker.create(described, current_store())
    path = run.path.rename(run.path.with_name(run_id))
    RunFolder(path).write_description(described.model_copy(update={"id": run_id}))
    small.adopt_checkpoints(RunFolder(path))
    tracker.follow(RunFolder(path), current_store())
    return RunFolder(path)


def test_one_process_tracks_one_run_after_another(small: SimpleNamespace, bench_home: Path) -> None:
    tracker, client = TrackingProcess(), store(bench_home)
    first = follow_trained(small, tracker, small.run(small.tiny("began")).run)
    assert tracker.finish_run() is None
    assert client.get_run(first.id).info.status == "FINISHED"
    assert steps(client, first.id, "train/k") == list(range(1, 10))
    begun = tracker.create(first.describe(), current_store())
    assert tracker.finish_run() is None
    assert client.get_run(begun).info.status == "KILLED"
    trial = StudyTrial(name="a study", trial=3)
    second = follow_trained(small, tracker, small.run(small.tiny("began", figures=True)).run, study=trial)
    assert client.get_run(second.id).info.status == "RUNNING"
    assert tracker.finish_run() is None
    # nothing is followed
    assert tracker.finish_run() is None
    assert tracker.close() is None
    seen = client.get_run(second.id)
    assert seen.info.status == "FINISHED"
    assert (seen.data.tags["optuna.study"], seen.data.tags["optuna.trial"]) == ("a study", "3")
    assert steps(client, second.id, "train/k") == list(range(1, 10))
    # of a study's hundreds of runs the store has the numbers, their folders all else
    assert {item.path for item in client.list_artifacts(second.id)} == {"run.json", "record.jsonl"}
    assert "checkpoints" in {item.path for item in client.list_artifacts(first.id)}
    models = client.search_logged_models([seen.info.experiment_id])
    assert [model.source_run_id for model in models] == [first.id]


def test_a_run_that_cannot_be_finished_is_reported_and_does_not_block_the_next(
    small: SimpleNamespace, bench_home: Path
) -> None:
    tracker, client = TrackingProcess(), store(bench_home)
    first = follow_trained(small, tracker, small.run(small.tiny("began")).run)
    (first.path / "samples").rename(first.path / "elsewhere")
    (first.path / "checkpoints").rename(first.path / "checkpoints-elsewhere")
    name = first.describe().name
    assert f"bench track {quote(name)}" in (tracker.finish_run() or "")
    second = follow_trained(small, tracker, small.run(small.tiny("began")).run)
    assert tracker.finish_run() is None
    assert client.get_run(second.id).info.status == "FINISHED"
    tracker._process.kill()
    assert tracker.finish_run() == "the tracking process was killed by signal 9"
    assert tracker.close() is not None
    assert tracker.finish_run() == "its process is finished"


def test_alarms_reach_the_store_during_training(small: SimpleNamespace, bench_home: Path) -> None:
    run = small.run(small.tiny("began", steps=3)).run
    run.record_path.unlink()
    writer = record.RecordWriter(run.record_path)
    writer.write([small.session(0)])
    opened, client = open_store(current_store(), bench_home / "mlruns"), store(bench_home)

    def alarm(kind: str, step: int) -> None:
        writer.write([record.Alarm(step=step, kind=kind, message="w")])

    follower = Follower(run, lambda: opened)
    writer.write([{"step": 1, "M": 0.1}])
    follower.send()
    assert "alarms" not in client.get_run(follower.id).data.tags
    # no checkpoint covers these yet
    alarm("k-drop", 1)
    follower.send()
    assert client.get_run(follower.id).data.tags["alarms"] == "k-drop@1"
    writer.write([{"step": 2, "M": 0.1}])
    alarm("loss-rising", 2)
    follower.send()
    assert client.get_run(follower.id).data.tags["alarms"] == "k-drop@1 loss-rising@2"
    follower.close()
    writer.write([small.session(1)])
    writer.close()
    again = Follower(run, lambda: opened)
    again.send()
    assert again.id == follower.id
    assert client.get_run(again.id).data.tags["alarms"] == "k-drop@1"


def test_alarms_are_a_tag_of_the_run(
    small: SimpleNamespace, bench_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.quick_alarms(monkeypatch, "began-v3")
    outcome = small.run(small.tiny("began-v3", tracking=True))
    assert outcome.record.alarms
    tags = store(bench_home).get_run(outcome.run.id).data.tags
    assert tags["alarms"] == record.alarm_tag(outcome.record.alarms)


def test_a_diverged_run_is_failed_in_mlflow(small: SimpleNamespace, bench_home: Path) -> None:
    from bench.training.trainer import Diverged

    with pytest.raises(Diverged):
        small.run(small.tiny("began", tracking=True, lr_g=1e30, lr_d=1e30, steps=40, eval_every=0))
    run = run_folder.find("last")
    seen = store(bench_home).get_run(run.id)
    assert seen.info.status == "FAILED"
    assert seen.data.tags["health"].startswith("diverged@")
