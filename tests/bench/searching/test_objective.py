"""From a run's numbers to the values of a trial."""

from statistics import fmean
from typing import Any

import pytest
import torch

from bench.runs.record import Evaluation, Record, StepRow
from bench.searching.objective import Goal, ObjectiveCallback, goal_of
from bench.searching.study_file import Objective
from bench.system.errors import WorkError

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
    assert goal_of(Objective(), "fid") == Goal("fid", "minimize", "last")


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("M", "minimize"), ("effective_classes", "maximize"), ("classes_covered", "maximize")],
)
def test_the_direction_is_the_metrics_unless_given(metric: str, direction: str) -> None:
    assert goal_of(Objective(metric=metric), "fid").direction == direction
    assert goal_of(Objective(metric=metric, direction="minimize"), "fid").direction == "minimize"


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
