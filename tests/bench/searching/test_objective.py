"""From a run's numbers to the values of a trial."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from bench.cli import main
from bench.runs import record
from bench.runs.record import Evaluation, Record, StepRow
from bench.runs.run_folder import RunFolder
from bench.searching.objective import Goal, ObjectiveCallback, goal_of
from bench.searching.study_file import Objective
from bench.searching.trials import RUNS
from bench.system.errors import RequestError, WorkError
from variants.registry import all_variants
from variants.scalars import TrainingScalar

STEPS: list[StepRow] = [{"step": step, "M": 1.0 / step} for step in range(1, 10)]
EVALUATIONS = [
    Evaluation.model_validate({"step": step, "fd": fd}) for step, fd in ((3, 9.0), (6, 4.0), (9, 5.0))
]


def callback(*goals: Goal, stop_at: int | None = None) -> ObjectiveCallback:
    return ObjectiveCallback(goals, lambda row: row["fd"] > 8, lambda step, collapsed, past: step == stop_at)


def go_through(followed: ObjectiveCallback, steps: list[StepRow] = STEPS) -> None:
    """As the trainer tells it: rows before the evaluation that follows them."""
    grid = torch.zeros(1, 1, 2, 2)
    for evaluation in EVALUATIONS:
        followed.on_steps([row for row in steps if followed.step < row["step"] <= evaluation.step])
        followed.on_evaluation(evaluation, grid)


def test_the_frechet_distance_is_the_one_that_the_judge_measures() -> None:
    assert goal_of(Objective(), "fid", ()) == Goal("fid", "minimize", "last")


DEPTH = TrainingScalar("depth", "a height", better="higher", selects=True)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("effective_classes", "maximize"),
        ("classes_covered", "maximize"),
        ("fd_another", "minimize"),
        ("depth", "maximize"),
        *(
            (scalar.name, {"lower": "minimize", "higher": "maximize"}[scalar.better])
            for variant in all_variants().values()
            for scalar in variant.scalars
            if scalar.better
        ),
    ],
)
def test_the_direction_is_the_metrics_or_the_declared_one_unless_given(metric: str, direction: str) -> None:
    declared = [DEPTH, *(scalar for variant in all_variants().values() for scalar in variant.scalars)]
    declared = [scalar for scalar in declared if scalar.name != metric or scalar.better]
    assert goal_of(Objective(metric=metric), "fid", declared).direction == direction
    assert goal_of(Objective(metric=metric, direction="minimize"), "fid", declared).direction == "minimize"


def test_a_scalar_of_no_direction_needs_a_given_one() -> None:
    for declared in ((), (TrainingScalar("k", "a weight"),)):
        with pytest.raises(RequestError, match="objective 'k': .* give its direction, minimize or maximize"):
            goal_of(Objective(metric="k"), "fid", declared)
        assert goal_of(Objective(metric="k", direction="maximize"), "fid", declared).direction == "maximize"


@pytest.mark.parametrize(
    ("direction", "select", "values"),
    [
        ("minimize", "last", [9, 4, 5]),
        ("minimize", "best", [9, 4, 4]),
        ("maximize", "best", [9, 9, 9]),
    ],
)
def test_the_value_is_of_the_last_or_the_best_evaluation(
    direction: Any, select: Any, values: list[float]
) -> None:
    followed = callback(Goal("fd", direction, select))
    go_through(followed)
    assert followed.values == {3: (values[0],), 6: (values[1],), 9: (values[2],)}


def test_a_training_scalar_counts_with_its_mean_since_the_previous_evaluation() -> None:
    followed = callback(Goal("M", "minimize", "last"), Goal("fd", "minimize", "last"))
    go_through(followed)
    means = [fmean(1 / s for s in steps) for steps in ((1, 2, 3), (4, 5, 6), (7, 8, 9))]
    assert [followed.values[step][0] for step in (3, 6, 9)] == pytest.approx(means, rel=1e-15)
    assert followed.values[6][1] == 4


def test_steps_recorded_before_a_kill_count_once() -> None:
    whole = callback(Goal("M", "minimize", "last"))
    go_through(whole)
    resumed = callback(Goal("M", "minimize", "last"))
    resumed.replay(Record(steps=STEPS[:7], evaluations=EVALUATIONS[:2]))
    assert resumed.step == 7
    # goes on from the checkpoint of step 6
    resumed.on_steps(STEPS[6:])
    resumed.on_evaluation(EVALUATIONS[2], torch.zeros(1, 1, 2, 2))
    assert resumed.values == whole.values


def test_the_listener_may_end_the_run() -> None:
    told: list[tuple[int, bool, bool]] = []

    def on_values(step: int, collapsed: bool, past: bool) -> bool:
        told.append((step, collapsed, past))
        return step == 6

    followed = ObjectiveCallback((Goal("fd", "minimize", "last"),), lambda row: row["fd"] > 8, on_values)
    grid = torch.zeros(1, 1, 2, 2)
    followed.replay(Record(evaluations=EVALUATIONS[:1]))
    assert not followed.should_stop()
    followed.on_evaluation(EVALUATIONS[1], grid)
    assert followed.should_stop()
    assert told == [(3, True, True), (6, False, False)]


def test_an_unrecorded_objective_is_an_error() -> None:
    with pytest.raises(WorkError, match="'fid' is not recorded"):
        go_through(callback(Goal("fid", "minimize", "last")))


@pytest.mark.slow
def test_a_study_minimises_a_scalar_that_its_variant_declares(host: Callable[..., Any]) -> None:
    on = host(
        "--set",
        "figures=true",
        steps=20,
        variant="wgan-gp",
        search={"lr_g": "declared", "penalty_weight": "declared"},
        objectives=[{"metric": "wasserstein"}],
        trials=3,
    )
    on.run()
    known = on.trials()
    assert len(known) == 3
    expected = []
    for trial in known:
        run = RunFolder(on.home / "mlruns" / "runs" / trial.user_attrs[RUNS]["0"])
        rows = record.read(run.record_path).steps
        # evaluations at steps 10 and 20
        expected.append(fmean(row["wasserstein"] for row in rows if row["step"] > 10))
        assert set(trial.params) == {"lr_g", "penalty_weight"}
    assert [trial.value for trial in known] == pytest.approx(expected, rel=1e-12)
    best = known[min(range(3), key=lambda number: expected[number])].number
    table = (on.folder / "table.md").read_text()
    assert "minimize wasserstein, last evaluation" in table
    assert f"best: trial {best}: wasserstein" in table
    assert {path.name for path in (on.folder / "figures").glob("*.png")} >= {"history.png", "slices.png"}


@pytest.mark.parametrize(
    ("variant", "metric", "message"),
    [
        ("wgan-gp", "M", "unknown metric 'M'"),
        ("began", "k", "objective 'k': the variant does not say which values are better"),
        ("began", "wasserstein", "unknown metric 'wasserstein'"),
        ("began", "rke", "objective rke: it is measured on request only"),
    ],
)
def test_a_study_of_a_scalar_that_cannot_be_an_objective_is_refused(
    variant: str, metric: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.yaml"
    entry = f"objectives: [{{metric: {metric}}}]\nsearch: {{lr_g: declared}}\nsettings: {{preset: quick}}\n"
    file.write_text(f"variant: {variant}\n{entry}")
    assert main(["study", str(file), "--dry-run"]) == 2
    # the data may be prepared first, which is said
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: ")
    assert message in line
