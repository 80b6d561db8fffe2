"""What a study says about early ends is what it does."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from bench.searching.early_ends import reason_of, reason_text, rules_of
from bench.searching.plan import StudyPlan
from bench.searching.pruning import collapse_step, pruner_for, pruning_points
from bench.searching.study_file import Pruner, StudyFile
from bench.searching.study_loop import end_text
from bench.searching.trials import MEDIAN, REASON

METRIC = "fd_digits_garments"
TWO = [{"metric": "frechet_distance"}, {"metric": "effective_classes"}]


def plan_of(eval_every: int = 20, **file: Any) -> StudyPlan:
    """A study of runs of 100 steps."""
    settings = {"variant": "began", "steps": 100, "eval_every": eval_every}
    return StudyPlan("tried", StudyFile(**({"search": {"gamma": {}}} | file)), settings, METRIC, "0")


@pytest.mark.parametrize("collapse_after", [0.0, 0.2, 0.5, 0.81, 0.99, 1.0])
@pytest.mark.parametrize("eval_every", [0, 20, 30, 70])
def test_the_step_of_the_rule_is_the_first_evaluation_that_can_end_a_trial(
    collapse_after: float, eval_every: int
) -> None:
    plan = plan_of(eval_every, pruner={"collapse_after": collapse_after})
    ending = [step for step in plan.evaluations if collapse_after < 1 and step / 100 >= collapse_after]
    assert collapse_step(plan.file.pruner, plan.evaluations) == (min(ending) if ending else None)
    said = rules_of(plan)["collapse"]
    assert f"collapse_after {collapse_after:g}" in said
    assert (f"from step {min(ending):,} of a run on" if ending else "ends no trial") in said


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"pruner": {"name": "none"}}, "none"),
        ({"pruner": {"name": "none"}, "objectives": TWO}, "none"),
        ({"objectives": TWO}, "none: median needs one objective, and there are 2"),
        (
            {"objectives": TWO, "pruner": {"name": "hyperband"}},
            "none: hyperband needs one objective, and there are 2",
        ),
        ({}, "median, at evaluations from step 40 of 100 on, once 4 trials are complete"),
        (
            {"seeds": [0, 1], "pruner": {"warmup": 0.9}},
            "median, at evaluations from step 100 of 200 on, once 4 trials are complete",
        ),
        (
            {"pruner": {"warmup": 0.9}},
            "none: no evaluation at which median could end a trial comes before the trial's end",
        ),
        ({"trials": 4}, "none: median needs 4 complete trials first, and the budget has no more"),
        ({"pruner": {"name": "hyperband"}}, "hyperband, at evaluations from step 20 of 100 on"),
    ],
)
def test_the_pruner_is_said_to_prune_where_it_can(file: dict[str, Any], said: str) -> None:
    plan = plan_of(**file)
    assert rules_of(plan)["pruner"] == said
    points = pruning_points(plan.file.pruner, plan.evaluations, len(plan.file.seeds))
    made = pruner_for(plan.file.pruner, plan.evaluations, len(plan.file.seeds))
    assert (not points) == (isinstance(made, optuna.pruners.NopPruner) or "no evaluation" in said)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("collapsed@1500", "collapsed at step 1,500 (collapse_after 0.5)"),
        ("diverged@7", "diverged at step 7"),
        ("median@500", "worse than the median at step 500"),
        ("hyperband@20", "hyperband at step 20"),
        ("WorkError: mail a@b", "WorkError: mail a@b"),
        ("", ""),
    ],
)
def test_reasons_are_written_out(reason: str, text: str) -> None:
    assert reason_text(reason, Pruner()) == text
    assert reason_of(create_trial(value=1.0, user_attrs={REASON: reason}), Pruner()) == text


@pytest.mark.parametrize(
    ("value", "median", "numbers"),
    [
        (106.23, 95.0, "106.2 against 95"),
        (105.59, 105.581, "105.59 against 105.58"),
        (0.2, 0.1, "0.2 against 0.1"),
    ],
)
def test_the_median_is_named_with_what_it_was_compared_with(
    value: float, median: float, numbers: str
) -> None:
    ended = create_trial(
        state=TrialState.PRUNED,
        intermediate_values={10: 7.0, 30: value},
        user_attrs={REASON: "median@30", MEDIAN: median},
    )
    assert reason_of(ended, Pruner()) == f"worse than the median at step 30 ({numbers})"
    assert f": worse than the median at step 30 ({numbers})" in end_text(ended, plan_of())
