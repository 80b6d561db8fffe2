"""MLflow shows whatever scalars a variant declares and records, at the steps that record them."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow import MlflowClient
from systems.trio import EVERY, Trio

from bench.runs import record
from bench.runs.run_folder import RunFolder
from bench.tracking import store
from bench.tracking.follower import Follower
from bench.tracking.opening import open_store
from bench.tracking.store_choice import current_store


def test_a_point_a_step_that_records_a_scalar_and_the_best_of_each_that_selects(
    trio: type[Trio], trio_run: RunFolder, bench_home: Path, tools: SimpleNamespace
) -> None:
    target = bench_home / "mlruns" / "runs" / trio_run.id
    shutil.copytree(trio_run.path, target)
    run = RunFolder(target)
    opened = open_store(current_store(), bench_home / "mlruns")
    # an upload of the generator that was broken off
    begun = store.create_run(opened, run.describe(), **{store.RUN: run.id})
    experiment = opened.client.get_run(begun).info.experiment_id
    half = opened.client.create_logged_model(experiment, "generator", source_run_id=begun)
    follower = Follower(run, lambda: opened, over=True)
    follower.finish()
    follower.close()
    client: Any = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    seen, rows = client.get_run(follower.id), record.read(run.record_path)
    assert tools.points(client, follower.id) == tools.recorded(run)
    for name in ("agreement", "penalty", "setting", "loss_d", "loss_g", "lr_g", "lr_d", "lr_code"):
        history = client.get_metric_history(follower.id, f"train/{name}")
        assert [(each.step, each.value) for each in history] == [
            (row["step"], row[name]) for row in rows.steps if name in row
        ], name
    penalties = client.get_metric_history(follower.id, "train/penalty")
    assert [each.step for each in penalties] == [step for step in range(1, 10) if step % EVERY == 1]
    assert seen.data.params["lr_code"] == "0.001"
    assert rows.end is not None
    metric = run.describe().metric
    best = {f"{name}_best{end}" for name in ("agreement", "penalty", metric) for end in ("", "_step")}
    assert set(rows.end.best) == best
    for name in best:
        (point,) = client.get_metric_history(follower.id, f"best/{name.replace('_best', '')}")
        assert (point.step, point.value) == (9, rows.end.best[name])
    assert seen.data.tags["alarms"] == record.alarm_tag(rows.alarms) == "penalty-up@4 setting-at-2.5@5"
    assert seen.data.tags["health"] == rows.end.health
    # sent again, nothing is sent
    again = Follower(run, lambda: opened, over=True)
    again.finish()
    again.close()
    assert (again.points, again.files) == (0, 0)
    (model,) = client.search_logged_models([experiment])
    assert (model.model_id, model.status.value) == (half.model_id, "READY")
    assert [each.model_id for each in client.get_run(follower.id).outputs.model_outputs] == [model.model_id]


def test_a_session_goes_on_where_a_scalar_was_last_recorded(
    trio: type[Trio], trio_run: RunFolder, small: SimpleNamespace, bench_home: Path, tools: SimpleNamespace
) -> None:
    """A follower that begins again sends neither the last point of a lazy scalar twice nor skips the next."""
    run = RunFolder(bench_home / "mlruns" / "runs" / trio_run.id)
    run.path.mkdir(parents=True)
    shutil.copy(trio_run.description_path, run.description_path)
    lines = trio_run.record_path.read_bytes().splitlines(keepends=True)
    opened = open_store(current_store(), bench_home / "mlruns")
    client: Any = MlflowClient(tracking_uri=f"sqlite:///{bench_home / 'mlruns' / 'mlflow.db'}")
    for cut in (len(lines) // 2, len(lines) - 1):
        run.record_path.write_bytes(b"".join(lines[:cut]))
        follower = Follower(run, lambda: opened)
        follower.send()
        follower.close()
    found, whole = tools.points(client, follower.id), tools.recorded(run)
    assert found == whole
    assert {step for name, step in found if name == "train/penalty"} == {1, 4, 7}
