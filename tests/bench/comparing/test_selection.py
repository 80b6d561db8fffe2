"""Which step of a run counts."""

import math

import pytest

from bench.comparing.selection import RULES, check_rule, rule_named
from bench.runs.record import CheckpointEvent, Evaluation, Record
from bench.system.errors import RequestError
from variants.scalars import TrainingScalar

DECLARED = (
    TrainingScalar("M", "a distance", better="lower", selects=True),
    TrainingScalar("depth", "a height", better="higher", selects=True),
    TrainingScalar("k", "a weight"),
)
DIRECTIONS = {"M": "lower", "depth": "higher"}


def judged(step: int, fid: float) -> Evaluation:
    return Evaluation.model_validate({"step": step, "fid": fid})


def saved(step: int, mean: float | None) -> CheckpointEvent:
    means = {} if mean is None else {"M": mean, "depth": -mean}
    return CheckpointEvent(step=step, file="f", train_seconds=1.0, means=means)


RECORD = Record(
    evaluations=[judged(10, 7.0), judged(20, 5.0), judged(30, math.nan), judged(40, 6.0)],
    checkpoints=[
        saved(5, 0.1),  # the lowest M, but nothing was judged there
        saved(10, 0.4),
        saved(20, 0.3),
        saved(30, 0.2),
        saved(35, None),
        saved(40, 0.5),
    ],
)


@pytest.mark.parametrize(
    ("name", "step"), [("last", 40), ("best-fid", 20), ("best-M", 30), ("best-depth", 30)]
)
def test_each_rule_selects_its_step(name: str, step: int) -> None:
    assert rule_named(name, DIRECTIONS).select(RECORD, "fid", DECLARED) == step


def test_the_first_of_equal_means_is_selected() -> None:
    record = Record(
        evaluations=[judged(10, 1.0), judged(20, 1.0)], checkpoints=[saved(10, 2.0), saved(20, 2.0)]
    )
    for name in ("best-M", "best-depth"):
        assert rule_named(name, DIRECTIONS).select(record, "fid", DECLARED) == 10


@pytest.mark.parametrize("name", [*RULES, "best-M", "best-depth"])
def test_a_run_that_was_never_judged_has_no_step(name: str) -> None:
    assert rule_named(name, DIRECTIONS).select(Record(checkpoints=[saved(5, 0.1)]), "fid", DECLARED) is None


def test_a_run_without_means_has_no_best_one() -> None:
    record = Record(evaluations=[judged(10, 7.0)], checkpoints=[saved(10, None)])
    assert rule_named("best-M", DIRECTIONS).select(record, "fid", DECLARED) is None


@pytest.mark.parametrize("name", ["best-M", "best-k"])
def test_a_run_whose_variant_does_not_select_by_the_scalar_has_no_step(name: str) -> None:
    assert rule_named(name, DIRECTIONS).select(RECORD, "fid", DECLARED[1:]) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("last", "last evaluation"),
        ("best-fid", "lowest Frechet distance"),
        ("best-M", "lowest mean M since"),
        ("best-depth", "highest mean depth since"),
        ("best-of_no_run", "best mean of_no_run since"),
    ],
)
def test_each_rule_is_described_in_one_sentence(name: str, words: str) -> None:
    rule = rule_named(name, DIRECTIONS)
    assert rule.name == name
    assert words in rule.description
    assert rule.description.endswith(".")
    assert rule.description.count(".") == 1


def test_an_unknown_rule_is_refused_with_the_nearest_of_those_that_the_runs_have() -> None:
    for name in (*RULES, "best-M", "best-depth"):
        check_rule(name, DIRECTIONS)
    with pytest.raises(RequestError, match="did you mean 'best-fid'"):
        check_rule("best-fdi", DIRECTIONS)
    with pytest.raises(
        RequestError, match="'best-wasserstein': allowed are best-M, best-depth, best-fid, last"
    ):
        check_rule("best-wasserstein", DIRECTIONS)
