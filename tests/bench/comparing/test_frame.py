"""Runs as a tidy frame, against what their files say."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.comparing.columns import IDENTITY, comparable_columns
from bench.comparing.frame import results, trajectories
from bench.comparing.groups import with_groups
from bench.runs import record
from bench.runs.description import RunDescription
from bench.runs.record import events, events_only, reading
from bench.runs.run_folder import RunFolder, all_runs
from bench.system.errors import RequestError


def test_a_row_has_the_values_of_the_run_s_files(home: Path) -> None:
    frame = results().set_index("run_id")
    assert len(frame) == 5
    for run in all_runs():
        row, described, whole = frame.loc[run.id], run.describe(), record.read(run.record_path)
        assert row["name"] == described.name
        assert row["data_hash"] == described.data.hash
        assert row["status"] == whole.end.status  # type: ignore[union-attr]
        assert row["health"] == whole.end.health  # type: ignore[union-attr]
        assert row["parameters_generator"] == described.parameters.generator
        for name, value in described.config.flat().items():
            assert row[name] == value or (pd.isna(row[name]) and value is None)


@pytest.mark.parametrize("rule", ["last", "best-fid", "best-M"])
def test_numbers_are_those_of_the_selected_step(home: Path, rule: str) -> None:
    frame = results(variant="began,began-v3", where="status == 'FINISHED'", select=rule)
    assert len(frame) == 3
    for _, row in frame.iterrows():
        run = next(run for run in all_runs() if run.id == row["run_id"])
        whole = record.read(run.record_path)
        steps = {e.step: e.values for e in whole.evaluations}
        chosen = {
            "last": max(steps),
            "best-fid": min(steps, key=lambda step: steps[step][row["metric"]]),
            "best-M": min((c for c in whole.checkpoints if c.step in steps), key=lambda c: c.M or 0).step,
        }[rule]
        assert row["step"] == chosen
        assert row["select"] == rule
        for name, value in steps[chosen].items():
            assert row[name] == value
        assert row["M"] == next(c.M for c in whole.checkpoints if c.step == chosen)
        assert row["k"] == whole.steps[chosen - 1]["k"]
        assert row["M_best"] == min(c.M or 0 for c in whole.checkpoints)
        assert row["train_seconds"] == whole.checkpoints[-1].train_seconds


def test_identity_comes_first_and_knobs_last(home: Path) -> None:
    columns = list(results().columns)
    assert tuple(columns[: len(IDENTITY)]) == IDENTITY
    place = columns.index("processor")
    assert {"gamma", "lr_g", "batch_size", "device"} <= set(columns[place:])
    judged = next(run for run in all_runs() if "began-v3" in run.describe().name)
    assert comparable_columns(results()) == [*record.read(judged.record_path).evaluations[-1].values, "M"]


def test_values_that_some_runs_lack_are_missing_and_types_stay(home: Path) -> None:
    frame = results()
    assert frame["step"].dtype == "Int64"
    assert frame["critic_steps"].dtype == "Int64"
    critic = frame[frame["variant"] == "wgan-gp"]
    assert critic["M"].isna().all()
    assert critic["k"].isna().all()
    assert critic["gamma"].isna().all()
    assert list(critic["critic_steps"]) == [2]
    diverged = frame[frame["status"] == "FAILED"]
    assert diverged["step"].isna().all()


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        ({"variant": "began"}, 3),
        ({"variant": "began,wgan-gp"}, 4),
        ({"variant": ["began", "began-v3"]}, 4),
        ({"dataset": "mnist-5k"}, 5),
        ({"experiment": "second"}, 1),
        ({"where": "gamma == 1 and seed < 1"}, 3),
        ({"where": "critic_steps == 2"}, 1),
        ({"where": "critic_steps > 5"}, 0),
        ({"where": "variant in ('began', 'began-v3')"}, 4),
        ({"variant": "began", "where": "status == 'FINISHED' or seed == 7"}, 2),
    ],
)
def test_runs_are_chosen(home: Path, choice: dict[str, Any], count: int) -> None:
    frame = results(**choice)
    assert len(frame) == count
    assert tuple(frame.columns[: len(IDENTITY)]) == IDENTITY


def test_different_rules_of_health_have_different_hashes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert results()["health_rules"].nunique(dropna=False) == 1
    describe = RunFolder.describe

    def described(run: RunFolder) -> RunDescription:
        description = describe(run)
        if description.config.variant != "wgan-gp":
            return description
        rules = description.health_rules.model_copy(update={"good_from": 0.1})
        return description.model_copy(update={"health_rules": rules})

    monkeypatch.setattr(RunFolder, "describe", described)
    found = results()
    assert found["health_rules"].nunique() == 2


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"variant": "bgan"}, "did you mean 'began'"),
        ({"dataset": "mnist"}, "mnist-5k"),
        ({"experiment": "third"}, "first, second"),
        ({"select": "best"}, "best-fid"),
        ({"where": "gama == 1"}, "unknown column 'gama'"),
        ({"where": "gamma =="}, "invalid syntax"),
        ({"where": "seed + 1"}, "no condition"),
        ({"where": "a = 1"}, "no expression"),
        ({"where": "@Path == 1"}, "no expression"),
        ({"where": "gamma < 'x'"}, "orders text and numbers"),
    ],
)
def test_a_wrong_choice_is_refused_in_one_line(home: Path, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as error:
        results(**choice)
    assert "\n" not in str(error.value)


def test_without_runs_the_frame_is_empty_and_a_name_is_refused() -> None:
    assert results().empty
    assert tuple(results().columns[: len(IDENTITY)]) == IDENTITY
    assert trajectories(results()).empty
    with pytest.raises(RequestError, match="there are no runs"):
        results(variant="began")


def test_a_running_run_has_no_end(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(run for run in all_runs() if run.describe().config.variant == "began-v3")
    folder = tmp_path / "mlruns" / "runs" / run.id
    folder.mkdir(parents=True)
    (folder / "run.json").write_text((run.path / "run.json").read_text())
    lines = run.record_path.read_text().splitlines(keepends=True)
    (folder / "record.jsonl").write_text("".join(line for line in lines if '"end"' not in line))
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    frame = results()
    assert list(frame["status"]) == ["RUNNING"]
    assert frame["health"].isna().all()
    assert frame["M_best"].isna().all()
    assert frame["M"].notna().all()
    assert list(frame["alarms"]) == [""]
    with (folder / "record.jsonl").open("a") as file:
        for kind, step in (("k-drop", 5), ("loss-rising", 9)):
            file.write(json.dumps({"event": "alarm", "step": step, "kind": kind, "message": "w"}) + "\n")
    assert list(results()["alarms"]) == ["k-drop@5 loss-rising@9"]


def test_trajectories_hold_every_step(home: Path) -> None:
    frame = with_groups(results(where="status == 'FINISHED'"))
    long = trajectories(frame, ("M", "k", "wasserstein"))
    assert list(long.columns) == ["run_id", "group", "seed", "step", "epoch", "M", "k", "wasserstein"]
    for run in all_runs():
        ours = long[long["run_id"] == run.id]
        if ours.empty:
            continue
        rows = record.read(run.record_path).steps
        assert list(ours["step"]) == [row["step"] for row in rows]
        for name in ("M", "k", "wasserstein"):
            expected = [row.get(name) for row in rows]
            assert [None if pd.isna(value) else value for value in ours[name]] == expected
        # 5,000 images make 625 batches of 8; wgan-gp takes two real batches a step here
        reals = 2 if run.describe().config.variant == "wgan-gp" else 1
        assert list(ours["epoch"]) == pytest.approx([row["step"] * reals / 625 for row in rows])


def test_a_scalar_that_no_run_has_is_refused(home: Path) -> None:
    with pytest.raises(RequestError, match="loss_real"):
        trajectories(results(variant="began"), ("loss_rael",))


@pytest.mark.parametrize(("drop_last", "batches"), [(True, 78), (False, 79)])
def test_epochs_are_counted_as_the_trainer_counts_them(home: Path, drop_last: bool, batches: int) -> None:
    described = next(run.describe() for run in all_runs() if "began-v3" in run.describe().name)
    config = described.config.model_copy(update={"batch_size": 64, "drop_last": drop_last})
    assert described.model_copy(update={"config": config}).epochs_per_step() == pytest.approx(1 / batches)


def test_long_records_are_read_without_their_steps(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(run for run in all_runs() if "began-v3" in run.describe().name)
    lines = run.record_path.read_text().splitlines(keepends=True)
    step = json.loads(next(line for line in lines if line.startswith('{"step"')))
    last_events = [json.loads(line) for line in lines if line.startswith('{"event"')][-3:]
    rows = [step | {"step": n} for n in range(1, 4001)] + [row | {"step": 4000} for row in last_events]
    long = "".join(json.dumps(row) + "\n" for row in rows)
    for number in range(20):
        folder = tmp_path / "mlruns" / "runs" / f"run{number}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text((run.path / "run.json").read_text())
        (folder / "record.jsonl").write_text(long)
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    parsed: list[bytes] = []
    for module in (events_only, reading):
        monkeypatch.setattr(module, "parse", lambda line: parsed.append(line) or events.parse(line))
    assert len(results()) == 20
    # of each record the events, the first step line and that of the evaluation
    assert len(parsed) <= 20 * (len(rows) - 4000 + 2)
    record.read(tmp_path / "mlruns" / "runs" / "run0" / "record.jsonl")
    assert len(parsed) > 4000
