"""Alarms from drawn series of scalars, at steps that are known beforehand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any

import numpy as np
import pytest

from bench.health.alarms import AlarmMonitor, alarms_of
from variants.registry import all_variants
from variants.scalars import AlarmRule, Drop, Rise, Stuck, TrainingScalar


def rows(**series: Sequence[float]) -> list[dict[str, Any]]:
    """Rows of training steps, from step 1 on; NaN for a step that does not record the scalar."""
    length = len(next(iter(series.values())))
    return [
        {"step": n + 1, **{name: values[n] for name, values in series.items() if values[n] is not ABSENT}}
        for n in range(length)
    ]


ABSENT: Any = None  # in a series: a step that does not record the scalar


def watched(name: str, *rules: AlarmRule) -> tuple[TrainingScalar, ...]:
    """A variant's declaration of one scalar with rules of alarms."""
    return (TrainingScalar(name, "a scalar", alarms=rules),)


def raised(declared: Sequence[TrainingScalar], **series: Sequence[float]) -> list[tuple[str, int]]:
    return [(alarm.kind, alarm.step) for alarm in alarms_of(rows(**series), declared)]


@pytest.mark.parametrize("name", ["k", "temperature", "a/b c"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.25])
def test_a_scalar_exactly_at_a_value_for_so_many_steps_on_end(name: str, value: float) -> None:
    declared = watched(name, Stuck(value, 500))
    (alarm,) = alarms_of(rows(**{name: [0.3] + [value] * 500}), declared)
    assert (alarm.kind, alarm.step) == (f"{name}-at-{value:g}", 501)
    assert alarm.message == f"{name} was exactly {value:g} for 500 steps"
    for series in (
        [value] * 499,
        [value] * 499 + [value + 1e-9] + [value] * 499,
        [value + 0.001] * 2000,
    ):
        assert raised(declared, **{name: series}) == []


def test_every_value_of_a_scalar_has_an_alarm_of_its_own() -> None:
    declared = watched("x", Stuck(0.0, 500), Stuck(1.0, 500))
    values = ([0.0] * 600 + [1.0] * 600) * 2
    assert raised(declared, x=values) == [("x-at-0", 500), ("x-at-1", 1100)]


@pytest.mark.parametrize("name", ["k", "score", "entropy of codes"])
def test_a_drop_is_an_alarm_when_the_mean_is_below_the_factor(name: str) -> None:
    # 0.4 until step 1,000, then 0.1: the mean of 100 steps is 0.4 - 0.003 n, below 0.2 from the 67th step on
    (alarm,) = alarms_of(rows(**{name: [0.4] * 1000 + [0.1] * 400}), watched(name, Drop("fell", 0.5)))
    assert (alarm.kind, alarm.step) == ("fell", 1067)
    assert alarm.message == f"{name} fell from 0.4 to 0.199 (means of 100 steps)"


@pytest.mark.parametrize(
    "values",
    [
        [0.4] * 1000 + [0.21] * 1000,
        list(np.linspace(0.9, 0.3, 3500)),  # never by half within 1,000 steps
        [0.009] * 1000 + [0.001] * 1000,  # next to nothing all the time
        [0.5] * 190 + [0.1] * 2000,  # before the first step that counts
        [0.4] * 1000 + [0.0] * 49 + [0.4] * 1000,  # a dip shorter than half the window
    ],
)
def test_no_sudden_drop(values: list[float]) -> None:
    assert raised(watched("x", Drop("fell", 0.5, least=0.01, memory=1000, start=200)), x=values) == []


@pytest.mark.parametrize("name", ["loss_real", "penalty", "wasserstein"])
def test_a_rise_is_an_alarm_when_the_mean_is_above_the_factor(name: str) -> None:
    flat = [0.2] * 300
    # the mean is 0.2 + 0.0021 n, above 0.3 from the 48th step on; 0.2 + 0.0041 n is above 0.4 from the 49th
    half = watched(name, Rise("up", 1.5))
    (alarm,) = alarms_of(rows(**{name: flat + [0.41] * 100}), half)
    assert (alarm.kind, alarm.step) == ("up", 348)
    assert alarm.message == f"{name} rose from 0.2 to 0.301 (means of 100 steps)"
    double = watched(name, Rise("up", 2.0))
    assert raised(double, **{name: flat + [0.61] * 100}) == [("up", 349)]
    assert raised(half, **{name: flat + [0.299] * 400}) == []
    # the lowest counts, wherever it lay
    fallen = list(np.linspace(1.0, 0.1, 500)) + [0.1] * 100
    assert raised(double, **{name: fallen + [0.15] * 5000}) == []
    assert raised(double, **{name: fallen + [0.15] * 5000 + [0.25] * 200})[0][0] == "up"


ANY_RULES = (Rise("up", 2.0), Drop("fell", 0.5), Stuck(0.0, 500), Stuck(0.4, 500))


def test_too_few_rows_raise_nothing() -> None:
    assert raised(watched("x", *ANY_RULES), x=[0.9] * 20 + [0.0] * 79) == []
    assert raised(watched("x", *ANY_RULES), x=[0.1] * 50 + [9.0] * 49) == []


def test_each_kind_is_raised_once() -> None:
    again = ([0.4] * 1000 + [0.1] * 1000) * 3
    assert raised(watched("x", Drop("fell", 0.5)), x=again) == [("fell", 1067)]


def test_scalars_that_are_not_recorded_or_not_declared_raise_nothing() -> None:
    declared = watched("x", *ANY_RULES)
    assert raised(declared, y=[1.0] * 300 + [9.0] * 400, x2=[0.0] * 700) == []
    assert raised((), x=[0.0] * 700) == []


@pytest.mark.parametrize("every", [2, 16])
def test_a_step_without_the_scalar_raises_nothing_by_its_absence(every: int) -> None:
    def spread(values: Sequence[float]) -> list[float]:
        """The values at steps 1, 1 + every, ... and nothing between."""
        return [values[n // every] if n % every == 0 else ABSENT for n in range(every * len(values))]

    for values in ([0.4] * 1000, list(np.linspace(1.0, 0.6, 700))):
        declared = watched("x", Rise("up", 2.0), Drop("fell", 0.5), Stuck(0.0, 500))
        assert raised(declared, x=spread(values)) == []
    # windows and stretches are of the steps that record the scalar
    assert raised(watched("x", Stuck(0.0, 500)), x=spread([0.0] * 500)) == [("x-at-0", 499 * every + 1)]
    assert raised(watched("x", Rise("up", 1.5)), x=spread([0.2] * 300 + [0.41] * 100)) == [
        ("up", 347 * every + 1)
    ]
    # nor does the absence reset what was counted
    broken = [0.0] * 300 + [ABSENT] * 700 + [0.0] * 200
    assert raised(watched("x", Stuck(0.0, 500)), x=broken) == [("x-at-0", 1200)]
    assert raised(watched("x", Stuck(0.0, 501)), x=broken) == []


def test_a_value_that_is_not_finite_is_passed_over() -> None:
    for broken in (float("nan"), float("inf"), -float("inf")):
        values = [*[0.2] * 300, broken]
        assert raised(watched("x", *ANY_RULES), x=values) == []
        assert raised(watched("x", Stuck(0.2, 500)), x=[*values, *[0.2] * 200]) == [("x-at-0.2", 501)]


def test_every_rule_has_numbers_of_its_own() -> None:
    values = [0.4] * 1000 + [0.25] * 400 + [0.0] * 400
    rules = (Drop("quick", 0.9), Drop("deep", 0.5), Stuck(0.0, 50))
    expected = [("quick", 1027), ("deep", 1421), ("x-at-0", 1450)]
    assert raised(watched("x", *rules), x=values) == expected
    assert raised(watched("x", Rise("up", 1.2, window=10)), x=[0.2] * 20 + [0.3] * 10) == [("up", 25)]


def expected_alarms(drawn: list[dict[str, Any]], declared: Sequence[TrainingScalar]) -> dict[str, int]:
    """The rules as they are told, by means that are taken anew at each step."""
    found: dict[str, int] = {}
    for scalar in declared:
        recorded = [(row["step"], row[scalar.name]) for row in drawn if scalar.name in row]
        for rule in scalar.alarms:
            means: dict[int, float] = {}
            for place, (step, _) in enumerate(recorded, start=1):
                last = [value for _, value in recorded[:place]]
                match rule:
                    case Stuck(bound, length):
                        if len(last) >= length and set(last[-length:]) == {bound}:
                            found.setdefault(f"{scalar.name}-at-{bound:g}", step)
                    case Rise(kind, factor, window):
                        if place >= window:
                            means[step] = fmean(last[-window:])
                            if means[step] > factor * min(means.values()):
                                found.setdefault(kind, step)
                    case Drop(kind, factor, least, memory, start, window):
                        counted = [value for at, value in recorded[:place] if at > start]
                        if len(counted) >= window:
                            means[step] = fmean(counted[-window:])
                            highest = max(mean for at, mean in means.items() if at > step - memory)
                            if highest >= least and means[step] < factor * highest:
                                found.setdefault(kind, step)
    return found


@pytest.mark.parametrize("present", [1.0, 0.6])
@pytest.mark.parametrize("seed", range(60))
def test_alarms_do_not_depend_on_how_the_rows_are_split(seed: int, present: float) -> None:
    # sums of these x are exact: a mean may be just half of another
    draw = np.random.default_rng(seed)
    length = int(draw.integers(1, 60))
    series = {
        "x": draw.choice([0.0, 0.125, 0.25, 0.75, 1.0], length, p=draw.dirichlet([0.3] * 5)).tolist(),
        "loss": draw.uniform(0.1, 1.0, length).tolist(),
        "loss 2": draw.uniform(0.1, 1.0, length).tolist(),
    }
    drawn = rows(**{
        name: [value if draw.uniform() < present else ABSENT for value in values]
        for name, values in series.items()
    })  # fmt: skip
    declared = (
        *watched("x", Stuck(0.0, 5), Stuck(1.0, 5), Drop("fell", 0.5, 0.01, memory=12, start=3, window=4)),
        *watched("loss", Rise("up", 1.5, window=4)),
        *watched("loss 2", Rise("up 2", 2.0, window=4)),
    )
    whole = alarms_of(drawn, declared)
    watch, cut = AlarmMonitor(declared), int(draw.integers(0, length + 1))
    parts = [[alarm for row in part for alarm in watch.update(row)] for part in (drawn[:cut], drawn[cut:])]
    assert parts[0] + parts[1] == whole
    assert all(alarm.step <= cut for alarm in parts[0])
    assert {alarm.kind: alarm.step for alarm in whole} == expected_alarms(drawn, declared)


def test_a_large_value_leaves_the_later_means_right() -> None:
    # the window is not full when the large value comes, which is then no rise
    loss = [0.2] * 50 + [1e20] + [0.2] * 500 + [0.41] * 100
    (alarm,) = alarms_of(rows(loss=loss), watched("loss", Rise("up", 2.0)))
    # the mean is 0.2 + 0.0021 n, above 0.4 from the 96th step on
    assert (alarm.step, alarm.message) == (647, "loss rose from 0.2 to 0.402 (means of 100 steps)")


def test_the_work_of_a_row_does_not_grow_with_the_run() -> None:
    drawn = rows(x=[0.5] * 20_000, loss=[0.2] * 20_000, score=[0.2] * 20_000)
    declared = (
        *watched("x", Stuck(0.0, 500), Stuck(1.0, 500), Drop("fell", 0.5)),
        *watched("loss", Rise("up", 2.0)),
        *watched("score", Drop("down", 0.5)),
    )
    monitor, calls = AlarmMonitor(declared), [0]

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


def test_the_documentation_lists_every_alarm_of_every_variant() -> None:
    text = (Path(__file__).parents[3] / "docs" / "health.md").read_text(encoding="utf-8")
    rows = text.partition("| alarm | variants |")[2].split("\n\n")[0].splitlines()[2:]
    listed = [kind for row in rows for kind in re.findall(r"`([^`]+)`", row.split("|")[1])]
    declared = {
        f"{scalar.name}-at-{rule.value:g}" if isinstance(rule, Stuck) else rule.kind
        for variant in all_variants().values()
        for scalar in variant.scalars
        for rule in scalar.alarms
    }
    assert len(listed) == len(set(listed))
    assert set(listed) == declared
