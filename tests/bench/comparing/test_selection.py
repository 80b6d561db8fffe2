"""Which step of a run counts."""

import math

import pytest

from bench.comparing.selection import RULES, SelectionRule, rule_named
from bench.runs.record import CheckpointEvent, Evaluation, Record
from bench.system.errors import RequestError


def judged(step: int, fid: float) -> Evaluation:
    return Evaluation.model_validate({"step": step, "fid": fid})


def saved(step: int, mean: float | None) -> CheckpointEvent:
    means = {} if mean is None else {"M": mean}
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


@pytest.mark.parametrize(("name", "step"), [("last", 40), ("best-fid", 20), ("best-M", 30)])
def test_each_rule_selects_its_step(name: str, step: int) -> None:
    assert RULES[name].select(RECORD, "fid") == step


@pytest.mark.parametrize("name", list(RULES))
def test_a_run_that_was_never_judged_has_no_step(name: str) -> None:
    assert RULES[name].select(Record(checkpoints=[saved(5, 0.1)]), "fid") is None


def test_a_run_without_M_has_no_best_M() -> None:
    record = Record(evaluations=[judged(10, 7.0)], checkpoints=[saved(10, None)])
    assert RULES["best-M"].select(record, "fid") is None


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_each_rule_is_described_in_one_sentence(rule: SelectionRule) -> None:
    assert rule.description.endswith(".")
    assert rule.description.count(".") == 1


def test_an_unknown_rule_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'best-fid'"):
        rule_named("best-fdi")
