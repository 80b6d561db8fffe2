"""Alarms from drawn series of scalars, at steps that are known beforehand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from statistics import fmean
from types import FrameType
from typing import Any

import numpy as np
import pytest

from bench.health.alarms import RULES, AlarmMonitor, alarms_of
from bench.runs.description import AlarmRules


def rows(**series: Sequence[float]) -> list[dict[str, Any]]:
    """Rows of training steps, from step 1 on."""
    length = len(next(iter(series.values())))
    return [{"step": n + 1, **{name: values[n] for name, values in series.items()}} for n in range(length)]


def altered(**values: float) -> AlarmRules:
    """This version's rules with other numbers."""
    return RULES.model_copy(update=values)


def raised(*, rules: dict[str, Any] | None = None, **series: Sequence[float]) -> list[tuple[str, int]]:
    return [(alarm.kind, alarm.step) for alarm in alarms_of(rows(**series), altered(**(rules or {})))]


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        ([0.0] * 499, []),
        ([0.0] * 500, [("k-at-0", 500)]),
        ([0.3] + [1.0] * 500, [("k-at-1", 501)]),
        ([0.0] * 499 + [1e-9] + [0.0] * 499, []),
        ([0.999] * 2000, []),
        (([0.0] * 600 + [1.0] * 600) * 2, [("k-at-0", 500), ("k-at-1", 1100), ("k-drop", 1251)]),
    ],
)
def test_k_exactly_at_a_bound_for_500_steps_on_end(k: list[float], expected: list[tuple[str, int]]) -> None:
    assert raised(k=k) == expected


def test_a_fall_of_k_below_half_is_an_alarm_when_the_mean_is_below_half() -> None:
    # 0.4 until step 1,000, then 0.1: the mean of 100 steps is 0.4 - 0.003 n, below 0.2 from the 67th step on
    (alarm,) = alarms_of(rows(k=[0.4] * 1000 + [0.1] * 400))
    assert (alarm.kind, alarm.step) == ("k-drop", 1067)
    assert alarm.message == "k fell from 0.4 to 0.199 (means of 100 steps)"


@pytest.mark.parametrize(
    "k",
    [
        [0.4] * 1000 + [0.21] * 1000,
        list(np.linspace(0.9, 0.3, 3500)),  # never by half within 1,000 steps
        [0.009] * 1000 + [0.001] * 1000,  # next to nothing all the time
        [0.5] * 190 + [0.1] * 2000,  # the overshoot at the beginning
        [0.4] * 1000 + [0.0] * 49 + [0.4] * 1000,  # a dip shorter than half the window
    ],
)
def test_no_sudden_fall_of_k(k: list[float]) -> None:
    assert raised(k=k) == []


def test_a_rise_of_the_constraint_by_half_and_a_doubling_of_the_loss() -> None:
    flat = [0.2] * 300
    # the mean is 0.2 + 0.0021 n, above 0.3 from the 48th step on; 0.2 + 0.0041 n is above 0.4 from the 49th
    assert raised(loss_constraint=flat + [0.41] * 100) == [("constraint-rising", 348)]
    assert raised(loss_real=flat + [0.61] * 100) == [("loss-rising", 349)]
    assert raised(loss_constraint=flat + [0.299] * 400, loss_real=flat + [0.399] * 400) == []
    # the lowest counts, wherever it lay
    fallen = list(np.linspace(1.0, 0.1, 500)) + [0.1] * 100
    assert raised(loss_real=fallen + [0.15] * 5000) == []
    assert raised(loss_real=fallen + [0.15] * 5000 + [0.25] * 200)[0][0] == "loss-rising"


def test_too_few_rows_raise_nothing() -> None:
    assert raised(k=[0.9] * 20 + [0.0] * 79, loss_real=[0.1] * 50 + [9.0] * 49) == []


def test_each_kind_is_raised_once() -> None:
    again = ([0.4] * 1000 + [0.1] * 1000) * 3
    assert raised(k=again) == [("k-drop", 1067)]


def test_a_variant_without_these_scalars_raises_nothing() -> None:
    assert raised(loss_d=[1.0] * 700, wasserstein=[0.0] * 700) == []


def test_a_value_that_is_not_finite_is_passed_over() -> None:
    values = [0.2] * 300
    for broken in (float("nan"), float("inf")):
        assert (
            raised(loss_real=[*values, broken], k=[*values, broken], loss_constraint=[*values, broken]) == []
        )


def test_every_rule_can_be_given_other_numbers() -> None:
    k = [0.4] * 1000 + [0.25] * 400 + [0.0] * 400
    assert raised(k=k, rules={"drop": 0.9, "bound": 50}) == [("k-drop", 1027), ("k-at-0", 1450)]
    assert raised(loss_real=[0.2] * 20 + [0.3] * 10, rules={"window": 10, "loss_rise": 1.2}) == [
        ("loss-rising", 25)
    ]


def expected_alarms(drawn: list[dict[str, Any]], window: int, memory: int, start: int) -> dict[str, int]:
    """The rules as they are told, by means that are taken anew at each step."""
    found: dict[str, int] = {}
    means: dict[str, dict[int, float]] = {"k": {}, "loss_constraint": {}, "loss_real": {}}
    for place in range(len(drawn)):
        step = drawn[place]["step"]
        for name, known in means.items():
            first = start if name == "k" else 0
            if place + 1 - window >= first:
                known[step] = fmean(row[name] for row in drawn[place + 1 - window : place + 1])
        last = [row["k"] for row in drawn[: place + 1]][-5:]
        for bound in (0, 1):
            if len(last) == 5 and set(last) == {bound}:
                found.setdefault(f"k-at-{bound}", step)
        highest = max((mean for at, mean in means["k"].items() if at > step - memory), default=0.0)
        if step in means["k"] and highest >= 0.01 and means["k"][step] < 0.5 * highest:
            found.setdefault("k-drop", step)
        for name, kind, factor in (
            ("loss_constraint", "constraint-rising", 1.5),
            ("loss_real", "loss-rising", 2.0),
        ):
            if step in means[name] and means[name][step] > factor * min(means[name].values()):
                found.setdefault(kind, step)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_alarms_do_not_depend_on_how_the_rows_are_split(seed: int) -> None:
    # sums of these k are exact: a mean may be just half of another
    draw = np.random.default_rng(seed)
    length = int(draw.integers(1, 60))
    drawn = rows(
        k=draw.choice([0.0, 0.125, 0.25, 0.75, 1.0], length, p=draw.dirichlet([0.3] * 5)).tolist(),
        loss_constraint=draw.uniform(0.1, 1.0, length).tolist(),
        loss_real=draw.uniform(0.1, 1.0, length).tolist(),
    )
    rules = altered(window=4, memory=12, start=3, bound=5)
    whole = alarms_of(drawn, rules)
    watch, cut = AlarmMonitor(rules), int(draw.integers(0, length + 1))
    parts = [[alarm for row in part for alarm in watch.update(row)] for part in (drawn[:cut], drawn[cut:])]
    assert parts[0] + parts[1] == whole
    assert all(alarm.step <= cut for alarm in parts[0])
    assert {alarm.kind: alarm.step for alarm in whole} == expected_alarms(drawn, 4, 12, 3)


def test_a_large_value_leaves_the_later_means_right() -> None:
    loss = [0.2] * 150 + [1e20] + [0.2] * 400 + [0.3] * 100
    assert raised(loss_real=loss) == [("loss-rising", 151)]
    watch = AlarmMonitor(altered(loss_rise=1e30))
    for row in rows(loss_real=loss):
        watch.update(row)
    assert watch._means["loss_real"].add(0.3) == pytest.approx(0.3)


def test_the_work_of_a_row_does_not_grow_with_the_run() -> None:
    drawn = rows(k=[0.5] * 20_000, loss_real=[0.2] * 20_000, loss_constraint=[0.2] * 20_000)
    monitor, calls = AlarmMonitor(RULES), [0]

    def count(frame: FrameType, event: str, argument: object) -> None:
        calls[0] += event in ("call", "c_call")

    counts = []
    for row in drawn:
        before = calls[0]
        sys.setprofile(count)
        try:
            monitor.update(row)
        finally:
            sys.setprofile(None)
        counts.append(calls[0] - before)
    assert max(counts[10_000:]) == max(counts[5_000:10_000]) < 100


def test_alarms_do_not_import_torch() -> None:
    code = "import sys; from bench.health import alarms; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
