"""Signs of collapse from recorded numbers, and of points whose collapse is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench.datasets import load
from bench.datasets.arrays import DataArray
from bench.health.signs import (
    COVERED,
    holds,
    signs_of_memorisation,
    text_of_rule,
    text_of_signs,
    verdict_of_samples,
)
from bench.health.signs import signs_of_collapse as signs_by
from bench.health.verdict import (
    COLLAPSE,
    MEMORISATION,
    RULES,
    verdict,
)
from bench.judging.extractors.modes import Points
from bench.judging.judge import Judge
from bench.judging.metrics import all_metrics, is_metric
from bench.judging.reference import reference_statistics
from bench.runs.description import HealthSign

REAL = {
    "effective_classes": 9.8,
    "modes_covered": 8.0,
    "vendi": 13.0,
    "coverage": 0.96,
    "spacing": 0.3,
    "authenticity": 0.6,
    "reverse_kl": 0.002,
    "precision": 0.9,
    "high_quality": 0.98,
    "kid": 0.0,
}
A_LITTLE = 1e-9
Values = dict[str, float]
Measure = Callable[[np.ndarray], tuple[Values, Values]]


EVERY = (*COLLAPSE, *MEMORISATION)


def signs_of_collapse(values: Values, real: Values) -> list[str]:
    """The signs by this version's rules."""
    return signs_by(values, real, RULES)


def _memorised(values: Values, real: Values) -> list[str]:
    return signs_of_memorisation(values, real, RULES)


def test_the_documentation_lists_every_sign_and_its_bound() -> None:
    page = (Path(__file__).parents[3] / "docs" / "health.md").read_text()
    for heading, signs in (("| sign of collapse |", COLLAPSE), ("| sign of memorisation |", MEMORISATION)):
        rows = page.partition(heading)[2].split("\n\n")[0].splitlines()[2:]
        assert [row.split("`")[1] for row in rows] == [sign.metric for sign in signs]
        for row, sign in zip(rows, signs, strict=True):
            assert (f"below {sign.below:.0%} of" if sign.above is None else f"{sign.above:g} above") in row
            assert f"`{sign.where}` is at least {sign.where_from:.0%} of" in row if sign.where else True


def test_every_sign_is_of_metrics_that_every_evaluation_has() -> None:
    names = {name for sign in EVERY for name in (sign.metric, sign.where) if name}
    assert names <= {each.name for each in all_metrics() if not each.on_request}


def test_the_scores_of_real_samples_have_no_sign() -> None:
    assert signs_of_collapse(REAL, REAL) == []
    assert signs_of_memorisation(REAL, REAL, RULES) == []


def worst(sign: HealthSign) -> Values:
    """The worst value of a sign's metric."""
    return {sign.metric: 0.0 if sign.above is None else 9.0}


def beyond(sign: HealthSign) -> float:
    """The bound of a sign beside the real samples' scores."""
    real = REAL[sign.metric]
    return sign.below * real if sign.below is not None else real + (sign.above or 0)


@pytest.mark.parametrize("sign", EVERY, ids=lambda sign: sign.metric)
def test_a_metric_beyond_its_bound_is_a_sign(sign: HealthSign) -> None:
    bound, worse = beyond(sign), A_LITTLE if sign.below is None else -A_LITTLE
    assert holds(sign, REAL | {sign.metric: bound + worse}, REAL)
    for well in (bound, bound - worse, REAL[sign.metric]):
        assert not holds(sign, REAL | {sign.metric: well}, REAL)


def test_signs_of_both_kinds_are_told_apart() -> None:
    for signs, found in ((COLLAPSE, signs_of_collapse), (MEMORISATION, _memorised)):
        for sign in EVERY:
            assert found(REAL | worst(sign), REAL) == ([sign.metric] if sign in signs else [])


GUARDED = [sign for sign in EVERY if sign.where]
OTHERS = {sign.metric for sign in EVERY if not sign.where}


def test_coverage_counts_for_precise_samples_and_modes_covered_for_samples_of_high_quality() -> None:
    assert {sign.metric: sign.where for sign in GUARDED} == {
        "coverage": "precision",
        "modes_covered": "high_quality",
        "reverse_kl": "precision",
    }


def test_a_little_unevenness_is_a_sign_for_precise_samples_and_a_lot_of_it_for_all() -> None:
    little, poor = {"reverse_kl": 0.9}, {"precision": 0.1}
    assert signs_of_collapse(REAL | little, REAL) == ["reverse_kl"]
    assert signs_of_collapse(REAL | little | poor, REAL) == []
    assert signs_of_collapse(REAL | poor | {"reverse_kl": 1.5}, REAL) == ["reverse_kl"]


@pytest.mark.parametrize("sign", GUARDED, ids=lambda sign: sign.metric)
def test_such_a_metric_is_no_sign_for_poor_samples(sign: HealthSign) -> None:
    bad, bound = REAL | worst(sign), sign.where_from * REAL[sign.where]
    assert not holds(sign, bad | {sign.where: bound - A_LITTLE}, REAL)
    assert not holds(sign, bad | {sign.where: 0.0}, REAL)
    assert holds(sign, bad | {sign.where: bound}, REAL)


@pytest.mark.parametrize("sign", GUARDED, ids=lambda sign: sign.metric)
def test_such_a_metric_is_a_sign_where_goodness_is_unknown(sign: HealthSign) -> None:
    bad, poor = REAL | worst(sign), REAL | worst(sign) | {sign.where: 0.0}
    unknown = {key: value for key, value in REAL.items() if key != sign.where}
    assert holds(sign, {key: bad[key] for key in unknown}, REAL)
    assert holds(sign, poor, unknown)


WORST = {sign.metric: 0.0 if sign.above is None else 9.0 for sign in COLLAPSE}


@pytest.mark.parametrize("sign", GUARDED, ids=lambda sign: sign.metric)
def test_poor_samples_are_silent_of_nothing_else(sign: HealthSign) -> None:
    silenced = {each.metric for each in GUARDED if each.where == sign.where} - OTHERS
    expected = [name for name in WORST if name not in silenced]
    assert signs_of_collapse(REAL | WORST | {sign.where: 0.0}, REAL) == expected


def test_signs_have_one_order_whatever_the_order_of_the_numbers() -> None:
    bad = REAL | WORST
    backwards = dict(reversed(bad.items()))
    assert signs_of_collapse(bad, REAL) == signs_of_collapse(backwards, REAL) == list(WORST)


def test_a_metric_that_either_side_lacks_is_ignored() -> None:
    assert signs_of_collapse({"effective_classes": 1.0}, {"vendi": 13.0}) == []
    assert signs_of_collapse({"reverse_kl": 9.0}, {"vendi": 13.0}) == []
    assert signs_of_collapse({}, REAL) == []


def test_a_metric_that_is_0_for_real_samples_is_ignored() -> None:
    assert signs_of_collapse({"effective_classes": 0.0}, {"effective_classes": 0.0}) == []


@pytest.mark.parametrize("bounds", [{}, {"below": 0.5, "above": 0.1}])
def test_a_sign_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="one of below and above"):
        HealthSign.model_validate({"metric": "vendi"} | bounds)


def test_the_text_of_a_rule_has_every_sign_in_words() -> None:
    signs = (
        HealthSign(metric="vendi", below=0.65),
        HealthSign(metric="coverage", below=0.4, where="precision", where_from=0.9),
        HealthSign(metric="reverse_kl", above=1.0),
    )
    assert text_of_rule(signs) == (
        "vendi below 65% of real samples', or coverage below 40% of real samples' (where precision is at "
        "least 90% of theirs), or reverse_kl more than 1 above real samples'"
    )


def test_the_text_of_copied_samples_has_the_sign_of_memorisation_unless_they_have_collapsed() -> None:
    copied = REAL | {"authenticity": 0.1}
    assert text_of_signs(copied, REAL, RULES) == "authenticity 0.1 (real 0.6)"
    assert text_of_signs(copied | {"vendi": 1.0}, REAL, RULES) == "vendi 1 (real 13)"


@pytest.mark.parametrize("name", COVERED)
def test_the_text_of_signs_has_their_numbers_and_whether_samples_were_formed(name: str) -> None:
    other = next(each for each in COVERED if each != name)
    real = {"effective_classes": 9.97, "vendi": 13.4, name: 10.0}
    signs = ["effective_classes 3.98 (real 9.97)", "vendi 5.3 (real 13.4)"]
    some = {"effective_classes": 3.98, "vendi": 5.3, name: 8, other: 0}
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
    assert values["modes_covered"] < 0.5 * real["modes_covered"]
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
    assert verdict_of_samples(whole | {"authenticity": 0.1}, REAL, possible, RULES) == "memorised"
    for name in ("vendi", "coverage", "spacing", "effective_classes", "precision", "authenticity"):
        part = {kept: value for kept, value in whole.items() if kept != name}
        assert verdict_of_samples(part, REAL, possible, RULES) == ""
    without_kid = {name: value for name, value in whole.items() if name != "kid"}
    assert verdict_of_samples(without_kid, REAL, possible, RULES) == "ok"
