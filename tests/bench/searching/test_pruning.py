"""Pruners: the median at the same point, and what study files name."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from bench.searching.pruning import MedianAtSamePoint, pruner_for
from bench.searching.study_file import Pruner

X = {"x": FloatDistribution(0, 1)}


def study_of(direction: str, *courses: dict[int, float], pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """A study whose complete trials went like that."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    for course in courses:
        last = course[max(course)]
        study.add_trial(
            create_trial(
                params={"x": 0.5},
                distributions=X,
                value=last,
                intermediate_values=course,
                state=TrialState.COMPLETE,
            )
        )
    return study


def is_pruned(study: optuna.Study, course: dict[int, float]) -> bool:
    trial = study.ask(X)
    for step, value in course.items():
        trial.report(value, step)
    return trial.should_prune()


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_for_improving_values_it_agrees_with_optunas_median_pruner(direction: str) -> None:
    sign = 1 if direction == "minimize" else -1
    courses = [{s: sign * (level + 10 / s) for s in (1, 2, 3)} for level in (1, 2, 3, 4, 5)]
    for level in (0.5, 1.5, 2.5, 3.5, 4.5, 5.5):
        new = {s: sign * (level + 10 / s) for s in (1, 2)}
        ours = study_of(direction, *courses, pruner=MedianAtSamePoint(5, frozenset({1, 2, 3})))
        theirs = study_of(direction, *courses, pruner=optuna.pruners.MedianPruner(5, 0))
        assert is_pruned(ours, new) == is_pruned(theirs, new) == (level > 3)


def test_an_earlier_good_value_does_not_save_a_trial() -> None:
    courses = [{1: 9.0, 2: 3.0 + i} for i in range(5)]
    lucky = {1: 1.0, 2: 50.0}
    assert is_pruned(study_of("minimize", *courses, pruner=MedianAtSamePoint(5, frozenset({1, 2}))), lucky)
    assert not is_pruned(study_of("minimize", *courses, pruner=optuna.pruners.MedianPruner(5, 0)), lucky)


def test_nothing_is_pruned_before_enough_trials_are_complete_or_at_other_points() -> None:
    courses = [{1: 1.0, 2: 1.0}] * 3
    assert not is_pruned(study_of("minimize", *courses, pruner=MedianAtSamePoint(4, frozenset({2}))), {2: 9})
    assert not is_pruned(study_of("minimize", *courses, pruner=MedianAtSamePoint(3, frozenset({2}))), {1: 9})
    assert is_pruned(study_of("minimize", *courses, pruner=MedianAtSamePoint(3, frozenset({2}))), {2: 9})


def test_trials_are_pruned_after_each_seeds_warmup_but_not_at_the_last_point() -> None:
    made = pruner_for(Pruner(name="median", warmup=0.5, startup_trials=7), [10, 20, 30, 40], seeds=2)
    assert isinstance(made, MedianAtSamePoint)
    assert made.points == {20, 30, 40, 60, 70}
    assert made.startup_trials == 7


def test_other_pruners_are_optunas() -> None:
    assert isinstance(pruner_for(Pruner(name="hyperband"), [10, 20], 1), optuna.pruners.HyperbandPruner)
    assert isinstance(pruner_for(Pruner(name="none"), [10, 20], 1), optuna.pruners.NopPruner)
