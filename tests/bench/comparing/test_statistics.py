"""Statistics against rliable, exact enumeration, and arithmetic on paper."""

import importlib.util
import itertools
import sys
import types
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bench.comparing import statistics
from bench.comparing.statistics import (
    interquartile_mean,
    interval,
    mean,
    paired_difference,
    probability_of_improvement,
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


@pytest.mark.parametrize("values", [FOUR, FIVE])
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


@pytest.mark.parametrize("count", [1, 2])
def test_few_runs_have_no_interval(count: int) -> None:
    few = FIVE[:count]
    assert interval(few) is None
    assert paired_difference(few, few + 1) == (pytest.approx(-1.0), None)
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


def test_pairs_take_out_what_seeds_share() -> None:
    """A constant shift on every seed is certain, however much the seeds differ."""
    difference, (low, high) = paired_difference(EIGHT + 0.25, EIGHT)  # type: ignore[misc]
    assert difference == pytest.approx(0.25)
    assert (low, high) == (pytest.approx(0.25), pytest.approx(0.25))


def test_paired_interval_is_that_of_all_resamples() -> None:
    other = np.array([3.0, 7.0, 4.0, 6.0])
    every = [
        interquartile_mean(FOUR[list(places)]) - interquartile_mean(other[list(places)])
        for places in itertools.product(range(4), repeat=4)
    ]
    difference, (low, high) = paired_difference(FOUR, other)  # type: ignore[misc]
    assert difference == pytest.approx((5.5 + 6.5) / 2 - (4.0 + 6.0) / 2)
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
    whole = probability_of_improvement(FIVE, FOUR, "lower")
    monkeypatch.setattr(statistics, "_COMPARISONS_AT_ONCE", 20 * 1000)
    assert probability_of_improvement(FIVE, FOUR, "lower") == whole
