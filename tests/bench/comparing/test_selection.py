"""Which step of a run counts."""

import math

import pytest

from bench.comparing.selection import RULES, SelectionRule, rule_named
from bench.runs.record import Record
from bench.system.errors import RequestError

RECORD = Record(
    evaluations=[
        {"step": 10, "fid": 7.0},
        {"step": 20, "fid": 5.0},
        {"step": 30, "fid": math.nan},
        {"step": 40, "fid": 6.0},
    ],
    checkpoints=[
        {"step": 5, "M": 0.1},  # the lowest M, but nothing was judged there
        {"step": 10, "M": 0.4},
        {"step": 20, "M": 0.3},
        {"step": 30, "M": 0.2},
        {"step": 35},
        {"step": 40, "M": 0.5},
    ],
)


@pytest.mark.parametrize(("name", "step"), [("last", 40), ("best-fid", 20), ("best-M", 30)])
def test_each_rule_selects_its_step(name: str, step: int) -> None:
    assert RULES[name].select(RECORD, "fid") == step


@pytest.mark.parametrize("name", list(RULES))
def test_a_run_that_was_never_judged_has_no_step(name: str) -> None:
    assert RULES[name].select(Record(checkpoints=[{"step": 5, "M": 0.1}]), "fid") is None


def test_a_run_without_M_has_no_best_M() -> None:
    record = Record(evaluations=[{"step": 10, "fid": 7.0}], checkpoints=[{"step": 10}])
    assert RULES["best-M"].select(record, "fid") is None


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_each_rule_is_told_in_one_sentence(rule: SelectionRule) -> None:
    assert rule.description.endswith(".")
    assert rule.description.count(".") == 1


def test_an_unknown_rule_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'best-fid'"):
        rule_named("best-fdi")
