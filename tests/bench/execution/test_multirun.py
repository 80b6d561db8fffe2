"""Many runs from one command: real processes, a real store, stopped, killed and gone on with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from bench.cli import main
from bench.commands.run_many import read_seeds
from bench.execution import multirun
from bench.execution.progress import Progress
from bench.runs import record, run_folder
from bench.system.errors import RequestError

KNOBS = {
    "filters": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "eval_every": 4,
    "eval_samples": 100,
    "checkpoint_every": 3,
    "extractor": "shipped",
    "device": "cpu",
    "figures": False,
}
QUIET = Progress(quiet=True)


def words(variants: str, seeds: str, *more: str, tracking: bool = False, steps: int = 5) -> list[str]:
    """The command line of several tiny runs."""
    command = ["run", "--variant", variants, "--seeds", seeds, "--steps", str(steps), *more]
    for name, value in (KNOBS | {"tracking": tracking}).items():
        command += ["--set", f"{name}={value}"]
    return command


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", [0]), ("0-4", [0, 1, 2, 3, 4]), ("3,1", [3, 1]), ("0-2,7, 1", [0, 1, 2, 7]), ("10-10", [10])],
)
def test_seeds_are_lists_and_ranges(text: str, seeds: list[int]) -> None:
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "4-0", "0..4", "1.5", "0-99999", "0,,1"])
def test_other_seeds_are_refused_in_one_line(
    text: str, capsys: pytest.CaptureFixture[str], bench_home: Path
) -> None:
    assert main(["run", "--variant", "began", f"--seeds={text}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (bench_home / "mlruns").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        words("began,begann", "0"),
        words("began,wgan-gp", "0", "--set", "gamma=0.7"),
        words("began,began-cs", "0", "--seed", "1"),
        [*words("began", "0-1"), "--set", "batch_size=6000"],
        words("began,began-resnet18", "0"),
        words("began", "0", "--resume", "last"),
        words("began", "0", "--workers", "0"),
        words("began", "0", "--dataset", "mnits"),
        [*words("began", "0"), "--set", "filters=0"],
    ],
)
def test_a_wrong_request_leaves_nothing_behind(
    arguments: list[str], bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    # images may have been decoded into the cache, and that is told
    assert [line for line in lines if not line.startswith("mnist-5k: decoding")] == [lines[-1]]
    assert lines[-1].startswith("bench: ")
    assert not (bench_home / "mlruns").exists()


def test_a_dry_run_trains_nothing(bench_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words("began,began-v3", "0-9"), "--dry-run", "--json"]) == 0
    plan = told(capsys)
    assert plan["seeds"] == list(range(10))
    assert list(plan["variants"]) == ["began", "began-v3"]
    assert not (bench_home / "mlruns").exists()


def test_cores_are_divided_among_workers_unless_threads_are_given() -> None:
    cores = os.cpu_count() or 1
    given = KNOBS | {"steps": 3, "threads": 0}
    planned = multirun.plan(["began"], [0, 1], given, None, 2, QUIET)
    assert {c.harness.threads for c in planned.configurations} == {max(1, cores // 2)}
    planned = multirun.plan(["began"], [0, 1], given | {"threads": 1}, None, 2, QUIET)
    assert {c.harness.threads for c in planned.configurations} == {1}


def test_identity_is_what_is_computed_not_how() -> None:
    given = KNOBS | {"steps": 3}
    one = multirun.plan(["began", "began-cs"], [0, 1], given, None, 1, QUIET)
    other = multirun.plan(
        ["began-cs", "began"], [1, 0], given | {"threads": 1, "tracking": False}, None, 2, QUIET
    )
    assert one.hash == other.hash
    neutral = given | {"tf32": False, "stop_on": "none", "micro_batches": 1}
    assert multirun.plan(["began", "began-cs"], [0, 1], neutral, None, 1, QUIET).hash == one.hash
    for change in ({"steps": 4}, {"gamma": 0.9}, {"experiment": "another"}):
        assert multirun.plan(["began", "began-cs"], [0, 1], given | change, None, 1, QUIET).hash != one.hash
    assert multirun.plan(["began", "began-cs"], [0, 2], given, None, 1, QUIET).hash != one.hash


@pytest.mark.slow
def test_the_product_is_trained_recorded_below_one_run_and_not_trained_again(
    bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    # one of the four is there already, trained alone
    alone = [w if w != "--seeds" else "--seed" for w in words("began-v3", "1", tracking=True)]
    assert main([*alone, "--json"]) == 0
    first = told(capsys)["run_id"]
    command = [*words("began,began-v3", "0,1", tracking=True), "--workers", "2", "--json"]
    assert main(command) == 0
    outcome = told(capsys)
    runs = {run.id: run.describe() for run in run_folder.all_runs()}
    assert len(runs) == 4
    assert set(outcome["runs"]) == set(runs)
    assert first in runs
    trained = {(d.config.variant, d.config.seed) for d in runs.values()}
    assert trained == {(v, s) for v in ("began", "began-v3") for s in (0, 1)}

    client = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    parent = client.get_run(outcome["parent"])
    assert parent.info.status == "FINISHED"
    for run_id in runs:
        assert client.get_run(run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    # a chart of one bar for each aggregate would stand before those of the runs
    assert parent.data.metrics == {}
    assert parent.info.run_name == "began+v3 mnist-5k s0-1"
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("fd_digits_garments (lower is better), last evaluation")
    values = [
        record.read(run_folder.find(run_id).record_path).evaluations[-1].values["fd_digits_garments"]
        for run_id, d in runs.items()
        if d.config.variant == "began"
    ]
    table = pd.read_csv(client.download_artifacts(parent.info.run_id, "table.csv"))
    row = table[(table["group"] == "began") & (table["metric"] == "fd_digits_garments")].squeeze()
    assert row["mean"] == pytest.approx(sum(values) / 2)
    assert row["runs"] == 2
    assert parent.data.params["variant"] == "began, began-v3"
    assert {"table.md", "table.csv", "figures"} <= {f.path for f in client.list_artifacts(parent.info.run_id)}
    assert {p.name for p in Path(outcome["folder"]).iterdir()} >= {"table.md", "table.csv", "figures"}

    before = {run.id: run.record_path.read_bytes() for run in run_folder.all_runs()}
    assert main(command) == 0
    again = told(capsys)
    assert again["parent"] == outcome["parent"]
    assert again["summary"] == outcome["summary"]
    assert {run.id: run.record_path.read_bytes() for run in run_folder.all_runs()} == before


def start(bench_home: Path, command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def wait_for_steps(count: int) -> None:
    """Wait until runs have recorded steps."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        begun = [run for run in run_folder.all_runs() if len(record.read(run.record_path).steps) > 5]
        if len(begun) >= count:
            return
        time.sleep(0.1)
    raise AssertionError("no run began")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_stopped_goes_on_when_the_command_is_given_again(
    number: int, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*words("began", "0,1", steps=400), "--set", "eval_every=0", "--set", "checkpoint_every=20"]
    process = start(bench_home, command)
    wait_for_steps(1)
    process.send_signal(number)
    out, error = process.communicate(timeout=120)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert error.splitlines()[-1] == "bench: stopped; run the same command to continue"
        assert not [p for p in psutil.process_iter() if is_of(p, bench_home)]
    assert main(command) == 0
    lines = capsys.readouterr().err.splitlines()
    runs = run_folder.all_runs()
    assert len(runs) == 2
    for run in runs:
        rows = record.read(run.record_path)
        assert rows.end
        value = f"{rows.evaluations[-1].values['fd_digits_garments']:.4g}"
        what = f"began seed {run.describe().config.seed}: fd_digits_garments {value}"
        said = rf"\[[12]/2\] {what}, health {rows.end.health}, took (\d+ min )?\d+ s(; about \d+ s left)?"
        assert [line for line in lines if re.fullmatch(said, line)]
    rows = [record.read(run.record_path) for run in run_folder.all_runs()]
    assert [[row["step"] for row in r.steps] for r in rows] == [list(range(1, 401))] * 2
    # a run's own process outlives the command that is killed outright, and is waited for
    assert sum(r.resumes for r in rows) == (1 if number == signal.SIGINT else 0)


def is_of(process: psutil.Process, bench_home: Path) -> bool:
    try:
        return process.environ().get("BENCH_HOME") == str(bench_home) and "bench" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def test_a_second_command_for_the_same_runs_is_refused(bench_home: Path) -> None:
    planned = multirun.plan(["began"], [0], KNOBS | {"steps": 3}, None, 1, QUIET)
    with multirun.hold(planned), pytest.raises(RequestError, match="another process is training"):
        multirun.hold(multirun.plan(["began"], [0], KNOBS | {"steps": 3}, None, 1, QUIET))


@pytest.mark.slow
def test_a_run_that_fails_is_told_and_the_others_are_complete(
    bench_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*words("began,wgan-gp", "0"), "--set", "lr_d=1e30"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "began seed 0: diverged at step" in lines[-1]
    took = r"took (\d+ min )?\d+ s"
    diverged = rf"\[1/2\] began seed 0: diverged at step \d+: \w+ is not finite, {took}; about .* left"
    assert any(re.fullmatch(diverged, line) for line in lines)
    (folder,) = (bench_home / "mlruns" / "multiruns").iterdir()
    assert f"folder  {folder}" in lines
    assert "runs    2 variants mnist-5k s0" in lines
    assert {run.describe().config.variant for run in run_folder.all_runs()} == {"began", "wgan-gp"}
    assert all(run.is_over() for run in run_folder.all_runs())
