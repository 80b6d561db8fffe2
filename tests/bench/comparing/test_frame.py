"""Runs as a tidy frame, against what their files say."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.comparing.columns import IDENTITY, comparable_columns, knob_columns, scalar_columns
from bench.comparing.frame import results, trajectories
from bench.comparing.groups import with_groups
from bench.comparing.summary import summarise
from bench.judging.metrics.registry import METRICS
from bench.runs import record
from bench.runs.description import MetricDeclaration, RunDescription, StudyTrial
from bench.runs.record import events, events_only, reading
from bench.runs.run_folder import RunFolder, all_runs
from bench.system.errors import RequestError
from variants.scalars import Panel, TrainingScalar


def test_a_row_has_the_values_of_the_run_s_files(home: Path) -> None:
    frame = results().set_index("run_id")
    assert len(frame) == 5
    for run in all_runs():
        row, described, whole = frame.loc[run.id], run.describe(), record.read(run.record_path)
        assert row["name"] == described.name
        assert row["data_hash"] == described.data.hash
        assert row["status"] == whole.end.status  # type: ignore[union-attr]
        assert row["health"] == whole.end.health  # type: ignore[union-attr]
        assert row["parameters"] == described.parameters
        assert row["parameters_generator"] == described.networks["generator"].parameters
        for name, value in described.config.flat().items():
            assert row[name] == value or (pd.isna(row[name]) and value is None)


@pytest.mark.parametrize(
    ("variants", "scalar", "other"), [("began,began-v3", "M", "k"), ("wgan-gp", "wasserstein", None)]
)
@pytest.mark.parametrize("rule", ["last", "best-fid", "best-NAME"])
def test_numbers_are_those_of_the_selected_step(
    home: Path, rule: str, variants: str, scalar: str, other: str | None
) -> None:
    rule = rule.replace("NAME", scalar)
    frame = results(variant=variants, where="status == 'FINISHED'", select=rule)
    assert len(frame) == (3 if other else 1)
    for _, row in frame.iterrows():
        run = next(run for run in all_runs() if run.id == row["run_id"])
        whole = record.read(run.record_path)
        steps = {e.step: e.values for e in whole.evaluations}
        means = {c.step: c.means[scalar] for c in whole.checkpoints if scalar in c.means}
        chosen = {
            "last": max(steps),
            "best-fid": min(steps, key=lambda step: steps[step][row["metric"]]),
        }.get(rule) or min(means.keys() & steps, key=lambda step: means[step])
        assert row["step"] == chosen
        assert row["select"] == rule
        for name, value in steps[chosen].items():
            assert row[name] == value
        # of nine steps the last hundredth is one
        assert row[scalar] == whole.steps[chosen - 1][scalar]
        assert row[f"{scalar}_best"] == min(means.values())
        if other:
            assert row[other] == whole.steps[chosen - 1][other]
        assert row["train_seconds"] == whole.checkpoints[-1].train_seconds


def test_the_scalars_of_a_frame_are_those_that_its_runs_declare(home: Path) -> None:
    frame = results()
    columns = list(frame.columns)
    first = columns.index("M")
    assert columns[first : first + 6] == ["M", "k", "wasserstein", "M_best", "wasserstein_best", "parameters"]
    assert scalar_columns(frame) == columns[first : first + 5]
    assert scalar_columns(frame[frame["variant"] == "wgan-gp"]) == ["wasserstein", "wasserstein_best"]
    critic = results(variant="wgan-gp")
    assert not {"M", "k", "M_best", "loss_d"} & set(critic.columns)
    # a column's role does not depend on its place, nor on how rows were chosen
    turned = frame.sample(frac=1, random_state=1)[columns[::-1]]
    assert sorted(knob_columns(turned)) == sorted(knob_columns(frame))
    assert not {"M", "k", "wasserstein", "M_best", "wasserstein_best"} & set(
        knob_columns(frame[frame["variant"] == "wgan-gp"])
    )


def test_a_scalar_with_the_name_of_a_knob_has_no_column(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = RunFolder.describe

    def describe(run: RunFolder) -> RunDescription:
        description = described(run)
        renamed = (TrainingScalar("gamma", "a scalar", better="lower", selects=True, panel=Panel("gamma")),)
        return description.model_copy(update={"scalars": description.scalars + renamed})

    before = knob_columns(results())
    monkeypatch.setattr(RunFolder, "describe", describe)
    frame = results()
    assert "gamma" in knob_columns(frame)
    assert knob_columns(frame) == before
    assert "gamma_best" not in frame


def test_a_metric_whose_package_is_not_installed_is_compared_as_any_other(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def table(frame: pd.DataFrame) -> pd.DataFrame:
        return summarise(frame, frame, ["coverage", "duplicates"]).table

    frame = results(where="status == 'FINISHED'")
    before = table(frame)
    assert dict(zip(before["metric"], before["better"], strict=True)) == {
        "coverage": "higher",
        "duplicates": "lower",
    }
    for name in ("coverage", "duplicates"):
        monkeypatch.delitem(METRICS._entries, name)
    after = results(where="status == 'FINISHED'")
    assert capsys.readouterr().err == ""
    pd.testing.assert_frame_equal(after, frame)
    assert knob_columns(after) == knob_columns(frame)
    pd.testing.assert_frame_equal(table(after), before)


def test_a_knob_with_the_name_of_a_metric_has_no_column(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = RunFolder.describe
    extra = MetricDeclaration(title="a metric", better="lower", settings="")

    def describe(run: RunFolder) -> RunDescription:
        description = described(run)
        if description.config.variant == "wgan-gp":
            return description
        return description.model_copy(update={"metrics": {**description.metrics, "critic_steps": extra}})

    assert "critic_steps" in knob_columns(results())
    monkeypatch.setattr(RunFolder, "describe", describe)
    # no run was measured by it so far, and the knob's value must not be taken for one
    assert "critic_steps" not in results()


def lengthened(home: Path, folder: Path, steps: list[dict[str, Any]], *events: dict[str, Any]) -> RunFolder:
    """A copy of a run below a folder, with other steps and its last three events after them."""
    run = next(run for run in all_runs() if run.describe().config.variant == "began-v3")
    lines = [json.loads(line) for line in run.record_path.read_text().splitlines()]
    copy = RunFolder(folder / "mlruns" / "runs" / run.id)
    copy.path.mkdir(parents=True)
    copy.description_path.write_text(run.description_path.read_text())
    last = steps[-1]["step"]
    ends = [line | {"step": last} for line in lines if "event" in line][-3:]
    rows = [lines[0], *steps, *events, *ends]
    copy.record_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return copy


def test_a_scalar_that_selects_counts_with_its_mean_over_the_last_hundredth_of_the_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [1 / step for step in range(1, 451)]
    steps = [{"step": step, "loss_d": 1.0, "M": value, "k": value} for step, value in enumerate(values, 1)]
    lengthened(home, tmp_path, steps)
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    (row,) = results().to_dict("records")
    assert row["M"] == pytest.approx(sum(values[-4:]) / 4, rel=1e-12)
    assert row["k"] == values[-1]


def test_steps_that_a_resume_discarded_do_not_count(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [{"step": step, "M": float(step)} for step in range(1, 301)]
    run = lengthened(home, tmp_path, steps)
    lines = run.record_path.read_text().splitlines()
    session = json.loads(lines[0]) | {"step": 298}
    again = [json.dumps({"step": step, "M": 1000.0}) for step in (299, 300)]
    run.record_path.write_text("\n".join([*lines[:-3], json.dumps(session), *again, *lines[-3:]]) + "\n")
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    (row,) = results().to_dict("records")
    assert row["M"] == pytest.approx((298 + 1000 + 1000) / 3)


def test_a_scalar_of_few_steps_counts_with_its_last_value(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = 16
    steps = [
        {"step": step, "k": 0.5} | ({"M": float(step)} if step % every == 1 else {}) for step in range(1, 301)
    ]
    lengthened(home, tmp_path, steps)
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    (row,) = results().to_dict("records")
    assert row["M"] == 289


STUDIES = {
    0: ("search-began-1a2b3c", "search"),
    1: ("search-began-v3-4d5e6f", "other"),
    2: ("deep-7a8b9c", "first"),
}


@pytest.fixture
def trials(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all runs; three of them are trials of studies now."""
    described = RunFolder.describe
    place = {run.id: number for number, run in enumerate(all_runs())}

    def describe(run: RunFolder) -> RunDescription:
        description = described(run)
        if place[run.id] < 2:
            return description
        study, experiment = STUDIES[place[run.id] - 2]
        config = description.config.model_copy(update={"experiment": experiment})
        trial = StudyTrial(name=study, trial=place[run.id])
        return description.model_copy(update={"study": trial, "config": config})

    monkeypatch.setattr(RunFolder, "describe", describe)
    return [run.id for run in all_runs()]


@pytest.mark.parametrize(
    ("choice", "places"),
    [
        ({}, [0, 1]),
        ({"study": "search-began-1a2b3c"}, [2]),
        ({"study": "deep"}, [4]),
        ({"study": "search-began-v3"}, [3]),
        ({"experiment": "search"}, [2, 3]),  # of the study's name, whatever experiment it was made in
        ({"experiment": "other"}, [3]),
        ({"experiment": "deep"}, [4]),
        ({"experiment": "first"}, [0]),  # where others than trials are, these count
        ({"experiment": "first,second"}, [0, 1]),
        ({"experiment": ["second"]}, [1]),
        ({"experiment": "first", "study": "deep"}, [4]),
    ],
)
def test_studies_are_chosen_by_the_beginning_of_their_name_also_as_an_experiment(
    trials: list[str], choice: dict[str, Any], places: list[int]
) -> None:
    assert list(results(**choice)["run_id"]) == [trials[place] for place in places]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"study": "search"}, "means 2 studies: search-began-1a2b3c, search-began-v3-4d5e6f"),
        ({"study": "dep"}, "unknown study .*deep-7a8b9c, search-began-1a2b3c"),
        ({"experiment": "thrid"}, "unknown experiment.*first, second"),
    ],
)
def test_a_study_that_is_not_there_or_not_the_only_one_is_refused(
    trials: list[str], choice: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        results(**choice)


def test_an_experiment_may_have_commas_in_its_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = RunFolder.describe

    def describe(run: RunFolder) -> RunDescription:
        description = described(run)
        renamed = description.config.model_copy(update={"experiment": f"{description.config.seed},1"})
        return description.model_copy(update={"config": renamed})

    monkeypatch.setattr(RunFolder, "describe", describe)
    assert list(results(experiment="1,1")["seed"]) == [1]


def test_a_rule_of_a_scalar_that_no_run_selects_by_is_refused_with_those_there_are(home: Path) -> None:
    with pytest.raises(RequestError, match="'best-M': allowed are best-fid, best-wasserstein, last"):
        results(variant="wgan-gp", select="best-M")
    with pytest.raises(RequestError, match="'best-k': allowed are best-M, best-fid, last"):
        results(variant="began", select="best-k")


def test_identity_comes_first_and_knobs_last(home: Path) -> None:
    columns = list(results().columns)
    assert tuple(columns[: len(IDENTITY)]) == IDENTITY
    place = columns.index("processor")
    assert {"gamma", "lr_g", "batch_size", "device"} <= set(columns[place:])
    judged = next(run for run in all_runs() if run.describe().config.variant == "began-v3")
    metrics = record.read(judged.record_path).evaluations[-1].values
    assert comparable_columns(results()) == [*metrics, "M", "wasserstein", "M_best", "wasserstein_best"]


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
        rules = description.health_rules.model_copy(update={"stuck_over_last": 0.1})
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


def test_trajectories_are_of_the_scalars_with_a_panel_of_their_own_unless_named(home: Path) -> None:
    assert list(trajectories(results(where="status == 'FINISHED'")).columns[5:]) == ["M", "k", "wasserstein"]


def test_a_scalar_that_no_run_has_is_refused(home: Path) -> None:
    with pytest.raises(RequestError, match="loss_real"):
        trajectories(results(variant="began"), ("loss_rael",))


@pytest.mark.parametrize(("drop_last", "batches"), [(True, 78), (False, 79)])
def test_epochs_are_counted_as_the_trainer_counts_them(home: Path, drop_last: bool, batches: int) -> None:
    described = next(run.describe() for run in all_runs() if run.describe().config.variant == "began-v3")
    config = described.config.model_copy(update={"batch_size": 64, "drop_last": drop_last})
    assert described.model_copy(update={"config": config}).epochs_per_step() == pytest.approx(1 / batches)


def test_long_records_are_read_without_their_steps(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(run for run in all_runs() if run.describe().config.variant == "began-v3")
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
    # of each record the events, the first step line, and a hundredth of the steps
    assert len(parsed) <= 20 * (len(rows) - 4000 + 1 + 41)
    record.read(tmp_path / "mlruns" / "runs" / "run0" / "record.jsonl")
    assert len(parsed) > 4000
