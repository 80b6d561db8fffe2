"""A real MLflow server, with a password, frozen and gone on with, and one that had nothing of the runs."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.runs import run_folder

pytestmark = pytest.mark.slow

SECRETS = ("alice", "hunter22", "hunter%4022")


def command(small: SimpleNamespace, **values: Any) -> list[str]:
    chosen = small.values | {"tracking": True} | values
    chosen.pop("preset")
    return ["run", "--variant", "began", *(w for n, v in chosen.items() for w in ("--set", f"{n}={v}"))]


def begin(*words: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.05)


def of_run(client: Any, run_id: str) -> str:
    """Id of a run in a store that may have it under another one."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    (found,) = client.search_runs(experiments, f"tags.`bench.run` = '{run_id}'")
    return str(found.info.run_id)


class CommandLines(threading.Thread):
    """Reads every process's command line again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*"):
                try:
                    self.seen.add((path / "cmdline").read_bytes())
                except OSError:
                    continue


def holding(folders: list[Path], texts: list[str]) -> list[str]:
    """Files below folders, and texts, that hold a secret."""
    found = [text for text in texts if any(secret in text for secret in SECRETS)]
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in SECRETS):
                found.append(str(path))
    return found


def test_the_password_of_a_server_is_nowhere(
    small: SimpleNamespace,
    server: Any,
    bench_home: Path,
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = CommandLines()
    lines.start()
    texts = []
    run, others = [*command(small, steps=5), "--json"], (["doctor", "--json"], ["track", "last"], ["ui"])
    for secret, words in [("alice:hunter%4022@", run), *(("hunter22@", other) for other in others)]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url.replace("://", f"://{secret}"))
        process = begin(*words)
        texts += [*process.communicate(timeout=300)]
        assert process.returncode == 0, texts
    lines.over.set()
    trained = run_folder.find("last")
    assert trained.describe().tracking == server.url
    assert server.client().get_run(trained.id).info.status == "FINISHED"
    assert holding([bench_home, cache_folder, server.folder], texts) == []
    assert not [line for line in lines.seen if any(secret.encode() in line for secret in SECRETS)]


def test_a_server_frozen_during_training_gets_every_point_once(
    small: SimpleNamespace, tools: SimpleNamespace, server: Any
) -> None:
    process = begin(
        *command(small, steps=600, checkpoint_every=30, eval_every=100),
        MLFLOW_TRACKING_URI=server.url,
        MLFLOW_HTTP_REQUEST_TIMEOUT="1",
    )
    client = server.client()
    wait_until(lambda: any(True for run in run_folder.all_runs() if run.record_path.exists()))
    run = run_folder.find("last")
    wait_until(lambda: client.get_run(run.id).data.metrics.get("train/loss_d") is not None)
    server.freeze()
    assert process.stderr is not None
    told = ""
    while "warning: tracking" not in told and process.poll() is None:
        told = process.stderr.readline()
    server.thaw()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    main(["track", run.id])
    assert tools.points(client, run.id) == tools.recorded(run)
    assert set(tools.points(client, run.id).values()) == {1}
    steps = [point.step for point in client.get_metric_history(run.id, "system/process_memory_megabytes")]
    assert len(steps) == len(set(steps))
    pictures = tools.pictures(client, run.id)
    assert len(pictures) == len(set(pictures)) == 12


def test_a_frozen_server_does_not_delay_a_runs_end_and_gets_everything_later(
    small: SimpleNamespace,
    tools: SimpleNamespace,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    # whatever the HTTP library would wait
    process = begin(
        *command(small, steps=200, checkpoint_every=20, eval_every=100),
        MLFLOW_HTTP_REQUEST_TIMEOUT="3600",
        BENCH_TRACKING_PATIENCE="5",
    )
    wait_until(lambda: any(True for run in run_folder.all_runs() if run.record_path.exists()))
    server.freeze()
    try:
        out, err = process.communicate(timeout=300)
    finally:
        server.thaw()
    assert process.returncode == 0, err
    run, client = run_folder.find("last"), server.client()
    name = run.describe().name
    assert "Traceback" not in err
    assert f"complete it with: bench track {quote(name)}" in err
    assert main(["track", "--all", "--json"]) == 0
    (sent,) = json.loads(capfd.readouterr().out)["sent"]
    assert sent["points"] > 0
    assert client.get_run(run.id).info.status == "FINISHED"
    assert tools.points(client, run.id) == tools.recorded(run)
    assert main(["track", "--all", "--json"]) == 0
    (again,) = json.loads(capfd.readouterr().out)["sent"]
    assert (again["mlflow_run"], again["points"], again["files"]) == (run.id, 0, 0)
    assert tools.points(client, run.id) == tools.recorded(run)


def test_runs_are_sent_to_another_server_once(
    small: SimpleNamespace,
    tools: SimpleNamespace,
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    several = [*command(small, steps=4, eval_every=2), "--seeds", "0,1", "--json"]
    assert main(several) == 0
    ids = json.loads(capfd.readouterr().out)["runs"]
    half = tools.stopped(small.tiny("began-v3", tracking=True))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    client = server.client()
    for _ in range(2):
        assert main(["track", "--all", "--json"]) == 0
        sent = json.loads(capfd.readouterr().out)["sent"]
    assert [each["kind"] for each in sent] == ["run", "run", "run", "multirun"]
    assert {each["points"] for each in sent} == {0}
    assert {each["files"] for each in sent} == {0}
    parent = client.get_run(sent[-1]["mlflow_run"])
    assert parent.info.status == "FINISHED"
    assert {"table.md", "table.csv", "figures"} <= {f.path for f in client.list_artifacts(parent.info.run_id)}
    assert parent.data.metrics == {}
    assert "fd_digits_garments" in parent.data.tags["mlflow.note.content"]
    for run_id in ids:
        shown = client.get_run(of_run(client, run_id))
        assert shown.info.run_id != run_id
        assert shown.info.status == "FINISHED"
        assert shown.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert tools.points(client, shown.info.run_id) == tools.recorded(run_folder.find(run_id))
        (model,) = client.search_logged_models(
            [shown.info.experiment_id], f"source_run_id = '{shown.info.run_id}'"
        )
        assert model.status.value == "READY"
    assert client.get_run(of_run(client, half.id)).info.status == "KILLED"
    # and it goes on there
    assert main(["run", "--resume", half.id]) == 0
    assert client.get_run(of_run(client, half.id)).info.status == "FINISHED"
    assert tools.points(client, of_run(client, half.id)) == tools.recorded(half)
