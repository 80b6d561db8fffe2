"""Statistics against rliable, exact enumeration, and arithmetic on paper."""

import importlib.util
import itertools
import json
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from bench.comparing import statistics
from bench.comparing.statistics import (
    MINIMUM_RUNS,
    bootstrap,
    coverage,
    extent,
    interquartile_mean,
    interval,
    mean,
    paired_difference,
    probability_of_improvement,
    rate_interval,
    trimmed,
)

# rliable needs arch's bootstrap only, whose econometric half does not import under pandas 3:
# the package without what its __init__ imports
_arch = importlib.util.find_spec("arch")
assert _arch is not None
if "arch" not in sys.modules:
    sys.modules["arch"] = types.ModuleType("arch")
    sys.modules["arch"].__path__ = list(_arch.submodule_search_locations or ())
import rliable.library  # noqa: E402
import rliable.metrics  # noqa: E402

FIVE = np.array([3.1, 4.7, 2.2, 9.8, 5.0])
FOUR = np.array([4.0, 6.5, 5.5, 7.25])
OTHER = np.array([3.0, 7.0, 4.0, 6.0, 5.5])
TWELVE = np.array([3.4, 4.1, 2.9, 5.2, 3.8, 4.4, 6.0, 3.1, 4.9, 3.6, 4.6, 5.5])
EIGHT = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 80.0])


@pytest.fixture(autouse=True)
def _no_warning_leaks() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def rliables_interval(*sides: np.ndarray, statistic: Callable[..., object], reps: int) -> tuple[float, ...]:
    scores = tuple(map(column, sides))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own way to seed
        # one of its two bootstraps draws from numpy's own state, whatever it is given
        np.random.seed(0)
        _, intervals = rliable.library.get_interval_estimates(
            {"it": scores if len(scores) > 1 else scores[0]},
            statistic,
            reps=reps,
            random_state=np.random.RandomState(0),
        )
    return tuple(np.ravel(intervals["it"]))


def column(values: np.ndarray) -> np.ndarray:
    """Scores as rliable has them: runs by tasks."""
    return values[:, None]


def test_centres_on_paper() -> None:
    assert mean(EIGHT) == 13.5
    assert interquartile_mean(EIGHT) == 4.5  # of 3, 4, 5, 6
    assert interquartile_mean(np.array([2.0, 4.0, 9.0])) == 5.0  # of fewer than 4 all count
    assert interquartile_mean(np.array([7.0])) == 7.0


@pytest.mark.parametrize("values", [FOUR, FIVE, EIGHT])
def test_interquartile_mean_is_rliables(values: np.ndarray) -> None:
    assert interquartile_mean(values) == pytest.approx(rliable.metrics.aggregate_iqm(column(values)))


@pytest.mark.parametrize("values", [FIVE, OTHER])
def test_interval_is_that_of_all_resamples(values: np.ndarray) -> None:
    resamples = itertools.product(values, repeat=len(values))
    every = np.sort([interquartile_mean(np.array(resample)) for resample in resamples])
    low, high = interval(values) or (np.nan, np.nan)
    # the random resampling may stop a step to the side of the exact quantile
    assert np.quantile(every, 0.020) <= low <= np.quantile(every, 0.030)
    assert np.quantile(every, 0.970) <= high <= np.quantile(every, 0.980)


@pytest.mark.parametrize("values", [TWELVE, TWELVE[:9] * 2 + 7])
def test_intervals_are_rliables(values: np.ndarray) -> None:
    theirs = rliables_interval(
        values, statistic=lambda x: np.array([rliable.metrics.aggregate_iqm(x)]), reps=2000
    )
    assert interval(values) == pytest.approx(theirs, abs=0.1 * values.std())


def test_intervals_are_the_same_every_time() -> None:
    assert interval(FIVE) == interval(FIVE.copy())
    assert paired_difference(FIVE, FIVE[::-1]) == paired_difference(FIVE, FIVE[::-1])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_runs_have_no_interval(count: int) -> None:
    few = FIVE[:count]
    assert interval(few) is None
    assert paired_difference(few, few + 1) == (pytest.approx(-1.0), None)
    assert coverage("iqm", count) is None
    assert probability_of_improvement(few, FIVE, "lower")[1] is None
    assert probability_of_improvement(FIVE, few, "lower")[1] is None


def test_nothing_to_compare_gives_nothing() -> None:
    none = np.array([])
    assert paired_difference(none, none) == (None, None)
    assert probability_of_improvement(none, FIVE, "lower") == (None, None)


def test_equal_values_have_an_interval_of_no_width() -> None:
    same = np.full(5, 10.0)
    assert interval(same) == (10.0, 10.0)
    assert paired_difference(same, same) == (0.0, (0.0, 0.0))
    assert probability_of_improvement(same, same, "higher") == (0.5, (0.5, 0.5))


def test_pairing_removes_the_variation_that_seeds_share() -> None:
    """A constant shift on every seed is certain, however much the seeds differ."""
    difference, (low, high) = paired_difference(EIGHT + 0.25, EIGHT)  # type: ignore[misc]
    assert difference == pytest.approx(0.25)
    assert (low, high) == (pytest.approx(0.25), pytest.approx(0.25))


def test_paired_interval_is_that_of_all_resamples() -> None:
    every = [
        interquartile_mean(FIVE[list(places)]) - interquartile_mean(OTHER[list(places)])
        for places in itertools.product(range(5), repeat=5)
    ]
    difference, (low, high) = paired_difference(FIVE, OTHER)  # type: ignore[misc]
    assert difference == pytest.approx((3.1 + 4.7 + 5.0) / 3 - (4.0 + 5.5 + 6.0) / 3)
    assert np.quantile(every, 0.020) <= low <= np.quantile(every, 0.030)
    assert np.quantile(every, 0.970) <= high <= np.quantile(every, 0.980)


def test_probability_of_improvement_on_paper() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0])
    # lower: 1 < 2, 1 < 4, 2 = 2, 2 < 4, 3 > 2, 3 < 4
    assert probability_of_improvement(first, second, "lower")[0] == pytest.approx(4.5 / 6)
    assert probability_of_improvement(first, second, "higher")[0] == pytest.approx(1.5 / 6)
    assert probability_of_improvement(second, first, "lower")[0] == pytest.approx(1.5 / 6)


@pytest.mark.parametrize(("first", "second"), [(FIVE, FOUR), (FOUR, EIGHT), (EIGHT, np.round(EIGHT / 2))])
def test_probability_of_improvement_is_rliables(first: np.ndarray, second: np.ndarray) -> None:
    theirs = rliable.metrics.probability_of_improvement(column(first), column(second))
    assert probability_of_improvement(first, second, "higher")[0] == pytest.approx(theirs)
    assert probability_of_improvement(-first, -second, "lower")[0] == pytest.approx(theirs)


def test_interval_of_the_probability_is_rliables() -> None:
    first = np.array([3.1, 4.7, 2.2, 9.8, 5.0, 6.1, 4.4])
    second = np.array([4.0, 6.5, 5.5, 7.25, 3.3, 8.1])
    theirs = rliables_interval(first, second, statistic=rliable.metrics.probability_of_improvement, reps=1500)
    _, ours = probability_of_improvement(first, second, "higher")
    assert ours == pytest.approx(theirs, abs=0.05)


def test_memory_is_bounded_without_a_change_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = probability_of_improvement(FIVE, OTHER, "lower")
    monkeypatch.setattr(statistics, "_COMPARISONS_AT_ONCE", 25 * 1000)
    assert probability_of_improvement(FIVE, OTHER, "lower") == whole


# by tables of the F distribution: 1 of 5 has the lower end x with 1 - (1 - x)^5 = 0.025
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 5, 0.0, 0.5218),
        (1, 5, 0.0051, 0.7164),
        (5, 5, 0.4782, 1.0),
        (0, 3, 0.0, 0.7076),
        (2, 10, 0.0252, 0.5561),
    ],
)
def test_the_interval_of_a_rate_is_exact(count: int, total: int, low: float, high: float) -> None:
    assert rate_interval(count, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("total", "rate"), [(3, 0.1), (5, 0.1), (5, 0.5), (10, 0.93)])
def test_the_interval_of_a_rate_has_its_nominal_coverage(total: int, rate: float) -> None:
    chances = binom.pmf(np.arange(total + 1), total, rate)
    ends = [rate_interval(count, total) for count in range(total + 1)]
    assert (
        sum(chance for chance, (low, high) in zip(chances, ends, strict=True) if low <= rate <= high) >= 0.95
    )


def test_the_range_of_runs() -> None:
    assert extent(FIVE) == (2.2, 9.8)
    assert extent(FIVE[:1]) is None


RESULT = Path(__file__).parents[3] / "benchmarks" / "results" / "any-machine" / "interval_coverage.json"


def test_the_coverage_that_tables_state_was_measured() -> None:
    """What stands in the code is in the committed result: lowest and highest population of each count."""
    measured = json.loads(RESULT.read_text())
    assert measured["groups"] >= 2000
    for kind, populations in measured["coverage"].items():
        found = {int(n): [cells[n] for cells in populations.values()] for n in populations["normal"]}
        expected = {
            n: (round(min(cells), 2), round(max(cells), 2)) for n, cells in found.items() if n >= MINIMUM_RUNS
        }
        assert statistics.COVERAGE[kind] == expected


@pytest.mark.parametrize("kind", ["iqm", "difference", "improvement"])
def test_a_count_that_was_not_simulated_has_the_coverage_of_the_next_lower_one(kind: str) -> None:
    assert coverage(kind, 1000) == coverage(kind, 20)
    assert coverage(kind, 11) == coverage(kind, 10) != coverage(kind, 5)


def test_a_few_hundred_groups_have_the_coverage_of_the_tables() -> None:
    generator = np.random.default_rng(7)
    groups = generator.normal(size=(400, 5))
    low, high = bootstrap((groups,), trimmed, resamples=1000)
    share = np.mean((low <= 0) & (high >= 0))
    least, most = coverage("iqm", 5) or (np.nan, np.nan)
    # five standard errors of 400 groups
    assert least - 0.075 < share < most + 0.075
    assert share < 0.95
