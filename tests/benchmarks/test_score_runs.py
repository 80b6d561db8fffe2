"""Scores of the verdict and of alarms on finished runs."""

import pytest
from score_runs import K_DROP, scores, share, with_drops

from variants.families.boundary_equilibrium_scalars import SCALARS
from variants.scalars import Drop

# Whether it was flagged, and whether it has collapsed.
HIT, MISS, FALSE_ALARM, HEALTHY = (True, True), (False, True), (True, False), (False, False)
UNCLEAR = [(True, None), (False, None)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([HIT, HIT, HEALTHY], ["2", "1", "1.000", "1.000"]),
        ([HIT, MISS, MISS, HEALTHY], ["3", "1", "1.000", "0.333"]),
        ([HIT, HIT, FALSE_ALARM, HEALTHY, HEALTHY], ["2", "3", "0.667", "1.000"]),
        ([HIT, MISS, MISS, MISS, FALSE_ALARM, HEALTHY], ["4", "2", "0.500", "0.250"]),
        ([MISS, FALSE_ALARM], ["1", "1", "0.000", "0.000"]),
    ],
)
def test_precision_counts_flagged_and_recall_collapsed_samplers(found, expected):
    assert scores(found) == expected


def test_samplers_between_collapsed_and_healthy_do_not_count():
    found = [HIT, MISS, FALSE_ALARM, FALSE_ALARM, HEALTHY]
    assert scores([*UNCLEAR, *found, *UNCLEAR]) == scores(found) == ["2", "3", "0.333", "0.500"]


def test_only_the_rules_for_drops_of_k_are_altered():
    assert with_drops(SCALARS, "k-drop", {}) == list(SCALARS)
    for values in filter(None, K_DROP.values()):
        altered = with_drops(SCALARS, "k-drop", values)
        (drop,) = (rule for scalar in altered for rule in scalar.alarms if isinstance(rule, Drop))
        assert {name: getattr(drop, name) for name in values} == values
        changed = [one.name for one, other in zip(SCALARS, altered, strict=True) if one != other]
        assert changed == ["k"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], ["0", "0", "-", "-"]),
        (UNCLEAR, ["0", "0", "-", "-"]),
        ([MISS, HEALTHY], ["1", "1", "-", "0.000"]),
        ([FALSE_ALARM, HEALTHY], ["0", "2", "0.000", "-"]),
    ],
    ids=["nothing", "nothing clear", "none flagged", "none collapsed"],
)
def test_a_share_without_a_denominator_is_a_dash(found, expected):
    assert scores(found) == expected


def test_pairs_may_come_one_by_one():
    assert scores(pair for pair in [HIT, HEALTHY]) == ["1", "1", "1.000", "1.000"]


@pytest.mark.parametrize(
    ("right", "count", "told"),
    [(10, 11, "10 of 11: 0.91 (0.59 to 1.00)"), (0, 34, "0 of 34: 0.00 (0.00 to 0.10)"), (0, 0, "-")],
)
def test_a_share_has_its_exact_interval(right, count, told):
    assert share(right, count) == told
