"""Sentences about tables state what the tables say."""

from typing import Any

import pandas as pd
import pytest

from bench.comparing.group_results import Estimate, GroupResult
from bench.comparing.selection import rule_named
from bench.comparing.summary import Summary
from bench.health.signs import text_of_rule
from bench.health.verdict import RULES
from bench.reporting.findings import findings, is_well, meaning, tag
from variants.registry import all_variants

Row = tuple[str, float, tuple[float, float] | None]


def first_finding(rows: list[Row], better: str = "lower", baseline: str | None = None, runs: int = 5) -> str:
    """The first finding about groups with these interquartile means and intervals."""
    results = []
    for place, (group, iqm, interval) in enumerate(rows):
        extent = (iqm - 0.25, iqm + 0.25) if runs > 1 else None
        centre = Estimate(runs, iqm, interval, 0.91 - place / 100, extent)
        results.append(
            GroupResult(
                *("m", better, group, "mnist-5k", "d" * 64, 28, 0, 0, runs, (0.0, 0.5)),
                *(iqm + 1.5, centre, None, Estimate(0), None, None),
            )
        )
    kept = pd.DataFrame({"group": [row[0] for row in rows], "health": "ok", "status": "FINISHED"})
    return findings(Summary(tuple(results), (), rule_named("last", {}), baseline, {}), kept, 0)[0]


A, B, C = ("a", 1.0, (0.5, 1.5)), ("b", 2.0, (1.4, 2.5)), ("c", 3.0, (2.8, 3.5))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"rows": [B, A, C]}, "a has the lowest IQM, 1.00 [0.50, 1.50], mean 2.50; next comes b"),
        ({"rows": [B, A, C]}, "the bootstrap intervals (measured coverage 0.90 or more) overlap."),
        (
            {"rows": [C, B, A], "baseline": "c"},
            "the baseline c has 3.00 [2.80, 3.50], mean 4.50; the bootstrap intervals (measured coverage "
            "0.89 or more) do not overlap.",
        ),
        ({"rows": [A, C], "baseline": "a"}, "next comes c"),
        ({"rows": [A, C], "better": "higher"}, "c has the highest IQM"),
        ({"rows": [A, C], "better": "higher"}, "do not overlap"),
        ({"rows": [A, ("z", 1.0, (0.9, 1.1))]}, "a and z share the lowest IQM, 1."),
        ({"rows": [A, ("z", 2.5, None)]}, "fewer than 5 runs, too few for an interval"),
        ({"rows": [A, ("z", 2.5, None)]}, "next comes z with 2.50 (2.25 to 2.75), mean 4"),
    ],
)
def test_the_best_group_and_whether_intervals_overlap(words: dict[str, Any], expected: str) -> None:
    assert expected in first_finding(**words)


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_a_group_without_another_is_best_of_nothing(better: str) -> None:
    alone = first_finding([("a", 1.25, None)], better, runs=1)
    assert alone == "m: a has 1.25 in its only run."
    assert first_finding([A], better) == (
        "m: a has an IQM of 1.00 [0.50, 1.50], mean 2.50; there is no other group."
    )


def test_collapses_are_counted_with_the_exact_interval_of_their_rate() -> None:
    kept = pd.DataFrame(
        {"group": ["a"] * 5 + ["b"] * 5, "health": ["collapsed@9"] + ["ok"] * 9, "status": "FINISHED"}
    )
    (sentence,) = findings(Summary((), (), rule_named("last", {}), None, {}), kept, 0)
    assert sentence == "Collapsed runs: 1 of 5 of a (a rate of 0.20 [0.01, 0.72])."


def run(**values: Any) -> pd.Series:
    return pd.Series({"status": "FINISHED", "health": "ok", "step": 500, "steps": 1000} | values)


@pytest.mark.parametrize(
    ("values", "shown", "words"),
    [
        ({"health": "collapsed@2000"}, "collapsed@2000", "from step 2,000 to the last"),
        ({"health": "memorised@2000"}, "memorised@2000", "from step 2,000 to the last"),
        ({"health": "diverged@7", "status": "FAILED"}, "diverged@7", "at step 7;"),
        ({"health": "k-stuck-0"}, "k-stuck-0", "was exactly 0 in the last 25% of the steps"),
        (
            {"health": "k-stuck-1"},
            "k-stuck-1",
            "k (weight of L(G(z)) in D's loss) was exactly 1 in the last 25% of the steps.",
        ),
        ({"health": "depth-stuck-0.5"}, "depth-stuck-0.5", "depth was exactly 0.5 in the last 25%"),
        (
            {"status": "KILLED"},
            "killed",
            "stopped before its end and is in no table of results. Its last "
            "evaluation is that of step 500 of 1,000.",
        ),
        ({"status": "KILLED", "health": "collapsed@250"}, "killed, collapsed@250", "from step 250"),
        ({"status": "RUNNING", "health": None, "step": None}, "running", "no end"),
    ],
)
def test_what_tags_mean(values: dict[str, Any], shown: str, words: str) -> None:
    assert not is_well(run(**values))
    assert tag(run(**values)) == shown
    assert words in meaning(run(**values), declared=all_variants()["began"].scalars)


COLLAPSED = {"health": "collapsed@1000"}
REAL = {"effective_classes": 9.98, "vendi": 20.0, "spacing": 0.3, "authenticity": 0.6}


def test_the_meaning_of_a_collapse_has_the_signs_of_the_last_evaluation() -> None:
    last = {"step": 2000, "effective_classes": 1.1, "vendi": 19.0, "spacing": 0.02}
    words = meaning(run(**COLLAPSED), last, REAL)
    assert words.startswith("In every evaluation from step 1,000 to the last")
    assert words.endswith("in the last: effective classes 1.1 (real 9.98), spacing 0.02 (real 0.3).")


def test_the_meaning_of_memorised_samples_has_the_sign_of_the_last_evaluation() -> None:
    words = meaning(run(health="memorised@1000"), REAL | {"authenticity": 0.1}, REAL)
    assert words.startswith(
        "In every evaluation from step 1,000 to the last, samples were nearer to training"
    )
    assert words.endswith("in the last: authenticity 0.1 (real 0.6).")


@pytest.mark.parametrize(
    ("last", "real"),
    [({}, {}), ({"effective_classes": 1.0}, {}), (REAL, REAL)],
)
def test_without_signs_the_meaning_of_a_collapse_has_the_rule(
    last: dict[str, float], real: dict[str, float]
) -> None:
    for health, signs in (("collapsed@1000", RULES.collapse), ("memorised@1000", RULES.memorisation)):
        words = meaning(run(health=health), last, real)
        assert f"the rule of this version: {text_of_rule(signs).replace('_', ' ')}." in words


def test_a_finished_healthy_run_is_well() -> None:
    assert is_well(run())
    assert tag(run()) == "ok"
