"""The health tag from recorded numbers, and of points whose collapse is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets import load
from bench.datasets.arrays import DataArray
from bench.health.verdict import (
    COLLAPSED_ABOVE,
    COLLAPSED_BELOW,
    GOOD_FROM,
    OF_GOOD_SAMPLES,
    Bounded,
    collapsed,
    signs_of_collapse,
    verdict,
)
from bench.judging.extractors.modes import Points
from bench.judging.judge import Judge
from bench.judging.reference import reference_statistics

REAL = {
    "effective_classes": 9.8,
    "modes_covered": 8.0,
    "vendi": 13.0,
    "coverage": 0.96,
    "duplicates": 0.01,
    "reverse_kl": 0.002,
    "precision": 0.9,
    "high_quality": 0.98,
    "kid": 0.0,
}
GOOD, BAD = REAL | {"effective_classes": 9.0}, REAL | {"effective_classes": 1.2}
A_LITTLE = 1e-9
Values = dict[str, float]
Measure = Callable[[np.ndarray], tuple[Values, Values]]


def test_the_documentation_lists_every_sign_and_its_bound() -> None:
    table = (Path(__file__).parents[3] / "docs" / "health.md").read_text().partition("| sign |")[2]
    rows = table.split("\n\n")[0].splitlines()[2:]
    bounds = {name: f"below {part:.0%} of" for name, part in COLLAPSED_BELOW.items()}
    words = {0.4: "0.4", math.log(4): "log 4"}
    bounds |= {name: f"more than {words[excess]} above" for name, excess in COLLAPSED_ABOVE.items()}
    assert [row.split("`")[1] for row in rows] == list(bounds)
    for row, bound in zip(rows, bounds.values(), strict=True):
        assert bound in row


def test_the_scores_of_real_samples_are_not_collapsed() -> None:
    assert signs_of_collapse(REAL, REAL) == []
    assert not collapsed(REAL, REAL)


@pytest.mark.parametrize(("name", "part"), COLLAPSED_BELOW.items())
def test_a_metric_below_its_part_of_the_real_one_is_a_sign(name: str, part: float) -> None:
    bound = part * REAL[name]
    assert signs_of_collapse(REAL | {name: bound - A_LITTLE}, REAL) == [name]
    assert collapsed(REAL | {name: bound - A_LITTLE}, REAL)
    for well in (bound, bound + A_LITTLE, 10 * REAL[name]):
        assert not collapsed(REAL | {name: well}, REAL)


@pytest.mark.parametrize(("name", "excess"), COLLAPSED_ABOVE.items())
def test_a_metric_that_exceeds_the_real_one_by_more_than_its_bound_is_a_sign(
    name: str, excess: float
) -> None:
    bound = REAL[name] + excess
    assert signs_of_collapse(REAL | {name: bound + A_LITTLE}, REAL) == [name]
    assert collapsed(REAL | {name: bound + A_LITTLE}, REAL)
    for well in (bound, bound - A_LITTLE, 0.0):
        assert not collapsed(REAL | {name: well}, REAL)


def test_coverage_counts_for_precise_samples_and_modes_covered_for_samples_of_high_quality() -> None:
    assert OF_GOOD_SAMPLES == {"coverage": "precision", "modes_covered": "high_quality"}


@pytest.mark.parametrize(("name", "goodness"), OF_GOOD_SAMPLES.items())
def test_such_a_metric_is_no_sign_for_poor_samples(name: str, goodness: str) -> None:
    none, bound = REAL | {name: 0.0}, GOOD_FROM * REAL[goodness]
    assert signs_of_collapse(none | {goodness: bound - A_LITTLE}, REAL) == []
    assert signs_of_collapse(none | {goodness: 0.0}, REAL) == []
    assert signs_of_collapse(none | {goodness: bound}, REAL) == [name]


@pytest.mark.parametrize(("name", "goodness"), OF_GOOD_SAMPLES.items())
def test_such_a_metric_is_a_sign_where_goodness_is_unknown(name: str, goodness: str) -> None:
    none, poor = REAL | {name: 0.0}, REAL | {name: 0.0, goodness: 0.0}
    unknown = {key: value for key, value in REAL.items() if key != goodness}
    assert signs_of_collapse({key: none[key] for key in unknown}, REAL) == [name]
    assert signs_of_collapse(poor, unknown) == [name]


@pytest.mark.parametrize(
    ("goodness", "silenced"), [("precision", "coverage"), ("high_quality", "modes_covered")]
)
def test_poor_samples_are_silent_of_nothing_else(goodness: str, silenced: str) -> None:
    worst = dict.fromkeys(COLLAPSED_BELOW, 0.0) | dict.fromkeys(COLLAPSED_ABOVE, 9.0)
    every = [*COLLAPSED_BELOW, *COLLAPSED_ABOVE]
    expected = [name for name in every if name != silenced]
    assert signs_of_collapse(REAL | worst | {goodness: 0.0}, REAL) == expected


def test_signs_have_one_order_whatever_the_order_of_the_numbers() -> None:
    worst = REAL | dict.fromkeys(COLLAPSED_BELOW, 0.0) | dict.fromkeys(COLLAPSED_ABOVE, 9.0)
    expected = ["effective_classes", "modes_covered", "vendi", "coverage", "duplicates", "reverse_kl"]
    backwards = dict(reversed(worst.items()))
    assert signs_of_collapse(worst, REAL) == signs_of_collapse(backwards, REAL) == expected


def test_a_metric_that_either_side_lacks_is_ignored() -> None:
    assert not collapsed({"effective_classes": 1.0}, {"vendi": 13.0})
    assert not collapsed({"duplicates": 1.0}, {"vendi": 13.0})
    assert not collapsed({}, REAL)


def test_a_metric_that_is_0_for_real_samples_is_ignored() -> None:
    assert not collapsed({"effective_classes": 0.0}, {"effective_classes": 0.0})


@pytest.fixture(scope="module")
def ring() -> DataArray:
    return load("ring-8", image_size=None, channels=None, data_root=Path("absent"), cache=Path("absent"))


@pytest.fixture(scope="module")
def of_ring(ring: DataArray, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """Judge 1,000 points: their values, and those of real points."""
    folder = tmp_path_factory.mktemp("cache")
    extractor = Points(ring.modes.centres, ring.modes.deviation)
    reference = reference_statistics(extractor, ring.samples, ring.hash, ring.name, folder)
    judge = Judge(extractor, reference, 1000)
    real = judge.measure_real(ring.samples, folder)

    def measure(points: np.ndarray) -> tuple[Values, Values]:
        return judge.measure(lambda count: iter([torch.tensor(points[:count])])), real

    return measure


def test_points_anywhere_are_poor_but_not_collapsed(of_ring: Measure) -> None:
    anywhere = np.random.default_rng(0).uniform(-1, 1, (1000, 2)).astype(np.float32)
    values, real = of_ring(anywhere)
    assert values["modes_covered"] < COLLAPSED_BELOW["modes_covered"] * real["modes_covered"]
    assert values["high_quality"] < 0.05
    assert signs_of_collapse(values, real) == []


def test_real_points_of_one_mode_are_collapsed(of_ring: Measure, ring: DataArray) -> None:
    values, real = of_ring(ring.samples[::8])
    assert values["modes_covered"] == 1
    assert values["high_quality"] > 0.95
    assert {"modes_covered", "coverage", "reverse_kl"} <= set(signs_of_collapse(values, real))
    assert verdict([(100, values)], real, [], None) == "collapsed@100"


def test_real_points_of_every_mode_are_not_collapsed(of_ring: Measure, ring: DataArray) -> None:
    values, real = of_ring(ring.samples)
    assert values["modes_covered"] == 8
    assert signs_of_collapse(values, real) == []


@pytest.mark.parametrize("name", ["k", "temperature", "alpha of layer 3"])
@pytest.mark.parametrize(
    ("evaluations", "values", "diverged_at", "expected"),
    [
        ([], None, None, "ok"),
        ([], [], None, "ok"),
        ([GOOD, GOOD], [0.0, 0.1, 0.2, 0.3], None, "ok"),
        ([GOOD, BAD, BAD], None, None, "collapsed@200"),
        ([BAD, BAD, BAD], None, None, "collapsed@100"),
        ([BAD, GOOD, BAD], None, None, "collapsed@300"),
        ([BAD, BAD, GOOD], None, None, "ok"),
        ([GOOD], [0.5, 0.5, 0.5, 0.0], None, "{}-stuck-0"),
        ([GOOD], [0.5, 0.5, 0.5, 1.0], None, "{}-stuck-1"),
        ([GOOD], [0.5] * 6 + [0.0, 1.0], None, "ok"),
        ([GOOD], [0.5] * 6 + [1.0, 0.999], None, "ok"),
        ([GOOD], [0.0, 0.0, 0.0], None, "ok"),
        ([GOOD, BAD], [0.0] * 8, None, "collapsed@200"),
        ([GOOD, BAD], [1.0] * 8, 150, "diverged@150"),
        ([], None, 0, "diverged@0"),
    ],
)
def test_verdict(
    evaluations: list[dict[str, float]],
    values: list[float] | None,
    diverged_at: int | None,
    expected: str,
    name: str,
) -> None:
    steps = [(100 * (place + 1), values) for place, values in enumerate(evaluations)]
    bounded = [] if values is None else [Bounded(name, values, (0.0, 1.0))]
    assert verdict(steps, REAL, bounded, diverged_at) == expected.format(name)


@pytest.mark.parametrize(("bound", "shown"), [(-1.0, "-1"), (0.25, "0.25"), (1e-6, "1e-06"), (100.0, "100")])
def test_a_scalar_is_stuck_at_the_bounds_that_are_declared_for_it(bound: float, shown: str) -> None:
    values = [0.5] * 6 + [bound] * 2
    assert verdict([], REAL, [Bounded("weight", values, (bound,))], None) == f"weight-stuck-{shown}"
    assert verdict([], REAL, [Bounded("weight", values, (0.0, 1.0, 3.0))], None) == "ok"
    assert verdict([], REAL, [Bounded("weight", values, ())], None) == "ok"


def test_of_several_stuck_scalars_the_one_declared_first_is_named() -> None:
    free = Bounded("a", [0.1, 0.2, 0.3, 0.4], (0.0,))
    first, second = Bounded("b", [2.0] * 8, (1.0, 2.0)), Bounded("c", [0.0] * 8, (0.0,))
    assert verdict([], REAL, [free, first, second], None) == "b-stuck-2"
    assert verdict([], REAL, [second, first], None) == "c-stuck-0"
