"""The health tag from recorded numbers."""

from __future__ import annotations

import math

import pytest

from bench.judging.health import collapsed, verdict
from bench.judging.measurement import ClassCounts, Measurement, effective_classes

REAL = ClassCounts(classes_covered=10, effective_classes=9.8)


def measured(covered: int, effective: float) -> Measurement:
    values = {"fd_digits_garments": 1.0, "classes_covered": covered, "effective_classes": effective}
    return Measurement(values, REAL)


GOOD, BAD = measured(10, 9.0), measured(1, 1.2)


@pytest.mark.parametrize(
    ("covered", "effective", "expected"),
    [(10, 9.8, False), (5, 4.9, False), (4, 9.0, True), (10, 4.89, True), (0, 1.0, True)],
)
def test_collapsed_is_less_than_half_by_either_count(covered: int, effective: float, expected: bool) -> None:
    assert collapsed(measured(covered, effective), REAL) is expected


def test_a_network_sure_of_no_real_image_leaves_it_to_the_effective_classes() -> None:
    unsure = ClassCounts(classes_covered=0, effective_classes=40.0)
    assert not collapsed(measured(0, 30.0), unsure)
    assert collapsed(measured(0, 10.0), unsure)


@pytest.mark.parametrize(
    ("evaluations", "k", "diverged_at", "expected"),
    [
        ([], None, None, "ok"),
        ([], [], None, "ok"),
        ([GOOD, GOOD], [0.0, 0.1, 0.2, 0.3], None, "ok"),
        ([GOOD, BAD, BAD], None, None, "collapsed@200"),
        ([BAD, BAD, BAD], None, None, "collapsed@100"),
        ([BAD, GOOD, BAD], None, None, "collapsed@300"),
        ([BAD, BAD, GOOD], None, None, "ok"),
        ([GOOD], [0.5, 0.5, 0.5, 0.0], None, "k-stuck-0"),
        ([GOOD], [0.5, 0.5, 0.5, 1.0], None, "k-stuck-1"),
        ([GOOD], [0.5] * 6 + [0.0, 1.0], None, "ok"),
        ([GOOD], [0.5] * 6 + [1.0, 0.999], None, "ok"),
        ([GOOD], [0.0, 0.0, 0.0], None, "ok"),
        ([GOOD, BAD], [0.0] * 8, None, "collapsed@200"),
        ([GOOD, BAD], [1.0] * 8, 150, "diverged@150"),
        ([], None, 0, "diverged@0"),
    ],
)
def test_verdict(
    evaluations: list[Measurement], k: list[float] | None, diverged_at: int | None, expected: str
) -> None:
    steps = [(100 * (place + 1), measurement) for place, measurement in enumerate(evaluations)]
    assert verdict(steps, k, diverged_at) == expected


def test_effective_classes() -> None:
    assert effective_classes([1.0, 0.0]) == 1.0
    assert effective_classes([0.1] * 10) == pytest.approx(10.0)
    assert effective_classes([0.75, 0.25]) == pytest.approx(math.exp(0.5623351446))
