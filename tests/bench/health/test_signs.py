"""Signs of collapse from recorded numbers, and of points whose collapse is known."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets import load
from bench.datasets.arrays import DataArray
from bench.health.signs import COVERED, text_of_signs, verdict_of_samples
from bench.health.signs import signs_of_collapse as signs_by
from bench.health.verdict import (
    COLLAPSED_ABOVE,
    COLLAPSED_BELOW,
    GOOD_FROM,
    OF_GOOD_SAMPLES,
    RULES,
    verdict,
)
from bench.judging.extractors.modes import Points
from bench.judging.judge import Judge
from bench.judging.metrics import is_metric
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
A_LITTLE = 1e-9
Values = dict[str, float]
Measure = Callable[[np.ndarray], tuple[Values, Values]]


def signs_of_collapse(values: Values, real: Values) -> list[str]:
    """The signs by this version's rules."""
    return signs_by(values, real, RULES)


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


@pytest.mark.parametrize(("name", "part"), COLLAPSED_BELOW.items())
def test_a_metric_below_its_part_of_the_real_one_is_a_sign(name: str, part: float) -> None:
    bound = part * REAL[name]
    assert signs_of_collapse(REAL | {name: bound - A_LITTLE}, REAL) == [name]
    for well in (bound, bound + A_LITTLE, 10 * REAL[name]):
        assert signs_of_collapse(REAL | {name: well}, REAL) == []


@pytest.mark.parametrize(("name", "excess"), COLLAPSED_ABOVE.items())
def test_a_metric_that_exceeds_the_real_one_by_more_than_its_bound_is_a_sign(
    name: str, excess: float
) -> None:
    bound = REAL[name] + excess
    assert signs_of_collapse(REAL | {name: bound + A_LITTLE}, REAL) == [name]
    for well in (bound, bound - A_LITTLE, 0.0):
        assert signs_of_collapse(REAL | {name: well}, REAL) == []


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
    assert signs_of_collapse({"effective_classes": 1.0}, {"vendi": 13.0}) == []
    assert signs_of_collapse({"duplicates": 1.0}, {"vendi": 13.0}) == []
    assert signs_of_collapse({}, REAL) == []


def test_a_metric_that_is_0_for_real_samples_is_ignored() -> None:
    assert signs_of_collapse({"effective_classes": 0.0}, {"effective_classes": 0.0}) == []


@pytest.mark.parametrize("name", COVERED)
def test_the_text_of_signs_has_their_numbers_and_whether_samples_were_formed(name: str) -> None:
    other = next(each for each in COVERED if each != name)
    real = {"effective_classes": 9.97, "vendi": 13.4, name: 10.0}
    signs = ["effective_classes 3.98 (real 9.97)", "vendi 7.3 (real 13.4)"]
    some = {"effective_classes": 3.98, "vendi": 7.3, name: 8, other: 0}
    assert text_of_signs(some, real, RULES) == ", ".join(signs)
    words, _, unformed = text_of_signs(some | {name: 0}, real, RULES).partition("; ")
    assert set(signs) <= set(words.split(", "))
    assert unformed == f"unformed: no {COVERED[name]} covered, the training may be too short"


def test_without_a_sign_there_is_no_text() -> None:
    assert text_of_signs(REAL, REAL, RULES) == ""
    # far from the data but diverse
    assert text_of_signs(REAL | {"classes_covered": 0}, REAL | {"classes_covered": 10.0}, RULES) == ""


def test_what_counts_as_covered_are_metrics() -> None:
    assert all(is_metric(name) for name in COVERED)


def test_signs_are_found_without_torch() -> None:
    code = "import sys; from bench.health import signs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


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


def test_one_set_of_samples_has_a_verdict_only_if_all_was_measured_that_the_verdict_needs() -> None:
    possible = [name for name in REAL if name not in ("modes_covered", "high_quality", "reverse_kl")]
    whole = {name: REAL[name] for name in possible}
    assert verdict_of_samples(whole, REAL, possible, RULES) == "ok"
    assert verdict_of_samples(whole | {"vendi": 2.0}, REAL, possible, RULES) == "collapsed"
    for name in ("vendi", "coverage", "duplicates", "effective_classes", "precision"):
        part = {kept: value for kept, value in whole.items() if kept != name}
        assert verdict_of_samples(part, REAL, possible, RULES) == ""
    without_kid = {name: value for name, value in whole.items() if name != "kid"}
    assert verdict_of_samples(without_kid, REAL, possible, RULES) == "ok"
