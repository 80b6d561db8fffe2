"""Whatever is killed or stopped, a study ends with exactly its budget, and no step is trained for nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bench.searching import trials

pytestmark = pytest.mark.slow

STEPS = 400  # time enough to kill something


def test_a_killed_workers_trial_resumes_from_its_checkpoint(
    host: Callable[..., Any], check_over: Callable[..., None]
) -> None:
    here = host(trials=2, steps=STEPS, tracking=True)
    command = here.start()
    here.wait_until_training()
    here.kill_workers()
    here.end_of(command)
    known = here.trials()
    check_over(known, budget=2)
    assert here.states() == ["FAIL", "COMPLETE", "COMPLETE"]
    first, second, _ = known
    assert second.user_attrs[trials.RETRY_OF] == 0
    assert second.params == first.params
    assert second.user_attrs[trials.RUNS] == first.user_attrs[trials.RUNS]
    here.check_trained(STEPS)
    assert [rows.resumes for rows in here.records()] == [1, 0]
    here.check_store()

    before = here.trials(), here.files()
    here.run()
    assert (here.trials(), here.files()) == before
    here.check_store()


def test_a_trial_fails_after_two_deaths_and_a_stopped_trial_resumes(
    host: Callable[..., Any], check_over: Callable[..., None]
) -> None:
    here = host(trials=2, steps=STEPS, tracking=True)
    command = here.start()
    here.wait_until_training()
    here.kill_workers()
    here.wait_until_training(sessions=1)
    here.kill_workers()
    here.wait_until_training(runs=2)
    here.interrupt(command)
    assert here.states() == ["FAIL", "FAIL", "FAIL", "WAITING"]
    here.check_store("KILLED")

    here.run()
    known = here.trials()
    check_over(known, budget=2)
    assert here.states() == ["FAIL", "FAIL", "FAIL", "COMPLETE"]
    assert [trial.user_attrs.get(trials.RETRY_OF) for trial in known] == [None, 0, None, 2]
    assert [rows.resumes for rows in here.records()] == [1, 1]
    assert [row["step"] for row in here.records()[1].steps] == list(range(1, STEPS + 1))
    here.check_store()


@pytest.mark.parametrize("workers_too", [False, True])
def test_a_killed_command_resumes_when_run_again(
    workers_too: bool, host: Callable[..., Any], check_over: Callable[..., None]
) -> None:
    here = host(trials=2, steps=STEPS)
    command = here.start()
    here.wait_until_training()
    command.send_signal(signal.SIGKILL)
    here.end_of(command, -signal.SIGKILL)
    if workers_too:
        here.kill_workers()
        # as if one of them had been killed while it wrote
        with (here.folder / "journal.log").open("ab") as journal:
            journal.write(b'{"op_code": 4, "worker_id": "1f')
    here.run()
    check_over(here.trials(), budget=2)
    # a worker whose command was killed goes on by itself
    assert here.states() == ["FAIL", "COMPLETE", "COMPLETE"][1 - workers_too :]
    here.check_trained(STEPS)
    assert [rows.resumes for rows in here.records()] == [int(workers_too), 0]


def test_concurrent_commands_share_the_budget(
    host: Callable[..., Any], check_over: Callable[..., None]
) -> None:
    here = host("--workers", "2", trials=5)
    for command in [here.start(), here.start()]:
        here.end_of(command)
    known = here.trials()
    check_over(known, budget=5)
    assert here.states() == ["COMPLETE"] * 5
    assert len({tuple(trial.params.values()) for trial in known}) == 5
    here.check_trained(60)
    assert len(here.records()) == 5


def test_a_lost_store_shows_the_study_once_after_bench_track(host: Callable[..., Any]) -> None:
    from mlflow import MlflowClient

    here = host(trials=2, tracking=True)
    here.run()
    store = here.home / "mlruns" / "mlflow.db"
    for path in store.parent.glob("mlflow.db*"):
        path.unlink()
    environment = os.environ | {"BENCH_HOME": str(here.home)}
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "bench", "track", "--all"], env=environment, check=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
    (study,) = [run for run in runs if "study.hash" in run.data.tags]
    assert study.info.status == "FINISHED"
    assert "2 complete" in study.data.tags["mlflow.note.content"]
    assert {"table.md", "trials.csv", "best.yaml"} <= {
        f.path for f in client.list_artifacts(study.info.run_id)
    }
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == study.info.run_id]
    assert sorted(run.info.run_name for run in below) == ["trial 0", "trial 1"]
    assert {run.data.tags["optuna.state"] for run in below} == {"COMPLETE"}
    seeds = [run for run in runs if run.data.tags.get("mlflow.parentRunId") in [b.info.run_id for b in below]]
    assert sorted(run.data.tags["bench.run"] for run in seeds) == sorted(
        path.name for path in (here.home / "mlruns" / "runs").iterdir()
    )
    for run in seeds:
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/M")]
        assert steps == list(range(1, 61))
