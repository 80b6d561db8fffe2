"""When a collapse ends a run."""

from typing import Literal

import pytest

from bench.health.stopping import StopRule

WELL, POOR, REAL = {"vendi": 9.0}, {"vendi": 1.0}, {"vendi": 10.0}


@pytest.mark.parametrize(
    ("stop_on", "stop_after", "collapsed", "step"),
    [
        ("none", 0.0, [10, 50, 90], None),
        ("collapse", 0.0, [10, 50, 90], 10),
        ("collapse", 0.5, [10, 50, 90], 50),
        ("collapse", 0.5, [10, 40, 90], 90),
        ("collapse", 0.51, [10, 50], None),
        ("collapse", 0.0, [], None),
        # the evaluation of the last step finds a run that is complete
        ("collapse", 0.5, [100], None),
        ("collapse", 1.0, [90, 100], None),
    ],
)
def test_the_first_collapsed_evaluation_from_the_share_on_ends_a_run(
    stop_on: Literal["none", "collapse"], stop_after: float, collapsed: list[int], step: int | None
) -> None:
    rule = StopRule(stop_on, stop_after, steps=100)
    evaluations = [(at, POOR if at in collapsed else WELL) for at in range(10, 101, 10)]
    assert rule.step_of(evaluations, REAL) == step
    ending = [at for at, values in evaluations if rule.ends(at, values, REAL)]
    assert ending[:1] == ([] if step is None else [step])


@pytest.mark.parametrize("stop_on", ["none", "collapse"])
@pytest.mark.parametrize("stop_after", [0.0, 0.5, 0.55, 1.0])
@pytest.mark.parametrize("eval_every", [0, 10, 30, 50, 60, 100, 1000])
def test_a_rule_that_can_end_no_run_says_why(
    stop_on: Literal["none", "collapse"], stop_after: float, eval_every: int
) -> None:
    rule = StopRule(stop_on, stop_after, steps=100)
    planned = [step for step in range(1, 101) if step == 100 or (eval_every and step % eval_every == 0)]
    caution = rule.caution(eval_every)
    can_end = any(rule.ends(step, POOR, REAL) for step in planned)
    assert bool(caution) == (stop_on == "collapse" and not can_end)
    assert not caution or caution.endswith(f"and the end, step 100 (eval_every {eval_every:,})")
