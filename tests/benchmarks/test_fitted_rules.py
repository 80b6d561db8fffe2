"""Bounds are fitted to cases, and scores know which cases are alike."""

import numpy as np
import pytest
from fitted_rules import (
    bounds_of,
    clusters_of,
    fit,
    left_out,
    measured_by,
    scores,
    with_bounds,
)
from scipy.stats import binomtest
from verdict_cases import Case

from bench.runs.description import HealthSign

LOW = HealthSign(metric="vendi", below=0.5)
HIGH = HealthSign(metric="duplicates", above=0.4)
GUARDED = HealthSign(metric="coverage", below=0.4, where="precision", where_from=0.8)
REAL = {"vendi": 10.0, "duplicates": 0.01, "coverage": 1.0, "precision": 0.8}


def case(mechanism="real", truth="well", data="mnist", **values):
    return Case(data, mechanism, 1, 0, truth, 100, REAL | values, REAL)


def test_what_signs_compare_is_less_the_worse_it_is():
    cases = [case(vendi=4.0, duplicates=0.51), case(coverage=0.2), case(coverage=0.2, precision=0.5)]
    found = measured_by(cases, (LOW, HIGH, GUARDED))
    np.testing.assert_allclose(found, [[0.4, -0.5, 1.0], [1.0, 0.0, 0.2], [1.0, 0.0, np.inf]], atol=1e-12)
    assert bounds_of((LOW, HIGH, GUARDED)).tolist() == [0.5, -0.4, 0.4]
    assert with_bounds((LOW, HIGH), np.array([0.25, -0.125])) == (
        HealthSign(metric="vendi", below=0.25),
        HealthSign(metric="duplicates", above=0.125),
    )


WELL = [case("blur", vendi=v) for v in (8.0, 9.0)] + [case("real"), case("gamma", vendi=8.5)]
BAD = [case("repeated", "collapsed", duplicates=0.9), case("missing", "collapsed", vendi=2.0)]


def flags(cases, signs, bounds):
    return (measured_by(cases, signs) < bounds).any(axis=1)


def test_fitted_bounds_separate_what_can_be_separated_with_room_on_both_sides():
    cases, signs = WELL + BAD, (LOW, HIGH)
    truth = np.array([each.truth == "collapsed" for each in cases])
    bounds = fit(measured_by(cases, signs), truth, clusters_of(cases), signs)
    assert (flags(cases, signs, bounds) == truth).all()
    assert bounds[0] == pytest.approx(0.5, abs=0.02)  # between 0.2 and 0.8
    assert -0.8 < bounds[1] < -0.1


def test_a_false_alarm_costs_more_than_a_missed_case():
    odd = case("halved", vendi=3.0)
    cases = [*WELL, *BAD, odd, case("few", "collapsed", vendi=4.0)]
    truth = np.array([each.truth == "collapsed" for each in cases])
    bounds = fit(measured_by(cases, (LOW,)), truth, clusters_of(cases), (LOW,))
    assert not flags([odd], (LOW,), bounds).any()


def test_a_mechanism_is_scored_by_bounds_that_have_not_seen_it():
    """A healthy mechanism unlike all others is a false alarm, though bounds that knew it would spare it."""
    odd = [case("odd", vendi=4.0)]
    cases = [*WELL, *BAD, *odd]
    truth = np.array([each.truth == "collapsed" for each in cases])
    found = measured_by(cases, (LOW, HIGH))
    flagged = left_out(cases, found, truth, (LOW, HIGH))
    assert flagged.tolist()[-1]
    bounds = fit(found, truth, clusters_of(cases), (LOW, HIGH))
    assert not flags(odd, (LOW, HIGH), bounds).any()


def test_scores_are_counted_on_paper():
    flagged = np.array([True, True, False, True, False, False, False])
    truth = np.array([True, True, True, False, False, False, False])
    found = scores(flagged, truth, np.arange(7))
    assert [(rate.hits, rate.count) for rate in (found.recall, found.false_alarms, found.precision)] == [
        (2, 3),
        (1, 4),
        (2, 3),
    ]
    assert str(found.recall).startswith("2 of 3: 0.667 (")


def test_alike_cases_widen_the_interval():
    truth = np.full(40, True)
    flagged = np.arange(40) >= 10
    alone = scores(flagged, truth, np.arange(40)).recall
    in_clusters = scores(flagged, truth, np.arange(40) // 10).recall
    assert in_clusters.high - in_clusters.low > 2 * (alone.high - alone.low)


def test_a_share_without_spread_has_the_exact_interval_of_its_clusters():
    truth, flagged = np.array([True] * 6 + [False] * 12), np.array([True] * 6 + [False] * 12)
    found = scores(flagged, truth, np.arange(18) // 3)
    exact = binomtest(0, 4).proportion_ci(method="exact")
    assert (found.false_alarms.low, found.false_alarms.high) == (exact.low, exact.high)
    assert found.recall.high == 1
    assert found.recall.low == binomtest(2, 2).proportion_ci(method="exact").low


def test_nothing_to_count_is_a_dash():
    assert str(scores(np.array([False]), np.array([False]), np.array([0])).recall) == "-"
