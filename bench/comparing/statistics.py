"""Statistics over seeds: centres, bootstrap intervals and their measured coverage, comparisons.

Follows Agarwal, Schwarzer, Castro, Courville, Bellemare 2021, "Deep Reinforcement Learning at the
Edge of the Statistical Precipice", NeurIPS: interquartile means with stratified percentile bootstrap
intervals, and the probability of improvement.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95  # nominal: COVERAGE has what intervals of so few runs cover
RESAMPLES = 10_000
MINIMUM_RUNS = 5  # of fewer a bootstrap interval covers far less than it is called
METHOD = "percentile bootstrap"
_SEED = 0  # of the resampling: the same runs give the same table
_COMPARISONS_AT_ONCE = 5_000_000  # bounds the memory of all pairs of all resamples


# How often the intervals of n runs (of n pairs; of n runs on each side) covered the true value in
# simulations: the lowest and the highest of three populations (normal, log-normal, one run in ten collapsed).
# benchmarks/interval_coverage.py measures it; n beyond the last is as the last.
COVERAGE: Mapping[str, Mapping[int, Interval]] = {
    "iqm": {
        5: (0.89, 0.9),
        6: (0.9, 0.91),
        7: (0.9, 0.91),
        8: (0.93, 0.93),
        9: (0.93, 0.94),
        10: (0.93, 0.93),
        12: (0.94, 0.94),
        15: (0.94, 0.95),
        20: (0.94, 0.94),
    },
    "difference": {
        5: (0.89, 0.9),
        6: (0.9, 0.91),
        7: (0.91, 0.92),
        8: (0.93, 0.94),
        9: (0.94, 0.94),
        10: (0.94, 0.95),
        12: (0.95, 0.95),
        15: (0.94, 0.95),
        20: (0.94, 0.96),
    },
    "improvement": {
        5: (0.85, 0.89),
        6: (0.87, 0.89),
        7: (0.9, 0.91),
        8: (0.9, 0.92),
        9: (0.9, 0.93),
        10: (0.92, 0.94),
        15: (0.93, 0.94),
        20: (0.94, 0.94),
    },
}


def coverage(kind: str, count: int) -> Interval | None:
    """Measured coverage of an interval.

    Parameters
    ----------
    kind : str
        ``iqm``, ``difference`` or ``improvement``.
    count : int
        Runs; pairs of a difference; of a probability of improvement the runs of the smaller side.

    Returns
    -------
    (float, float) or None
        Lowest and highest over the simulated populations, at this count or the next lower one that was
        simulated; None below :data:`MINIMUM_RUNS`, where there is no interval.
    """
    if count < MINIMUM_RUNS:
        return None
    return COVERAGE[kind][max(n for n in COVERAGE[kind] if n <= count)]


def mean(values: Values) -> float:
    """Arithmetic mean of values of shape (runs,), runs >= 1."""
    return float(np.mean(values))


def interquartile_mean(values: Values) -> float:
    """Mean of the middle half: of n values, shape (n,), the int(n / 4) lowest and highest are left out.

    Of fewer than 4 values it is the mean. Agarwal et al. 2021, section 4.3.
    """
    return float(stats.trim_mean(values, 0.25))


def extent(values: Values) -> Interval | None:
    """Lowest and highest of values of shape (runs,); None where there are fewer than two."""
    return (float(np.min(values)), float(np.max(values))) if len(values) > 1 else None


def rate_interval(count: int, total: int) -> Interval:
    """Exact 95 % interval of a rate, Clopper and Pearson 1934; it covers 95 % or more at any `total` >= 1."""
    found = stats.binomtest(count, total).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def interval(values: Values) -> Interval | None:
    """Nominal 95 % percentile bootstrap interval of the interquartile mean of one group.

    Parameters
    ----------
    values : ndarray
        One finite value a run, shape (runs,).

    Returns
    -------
    (float, float) or None
        Lower and upper end; None below :data:`MINIMUM_RUNS` runs. Equal values give that value twice.
    """
    if len(values) < MINIMUM_RUNS:
        return None
    return _ends(*bootstrap((values,), trimmed))


def paired_difference(values: Values, baseline: Values) -> tuple[float | None, Interval | None]:
    """Difference of interquartile means over the seeds that a group and its baseline share.

    Parameters
    ----------
    values, baseline : ndarray
        The value of each shared seed, in the same order, both of shape (seeds,).

    Returns
    -------
    difference : float or None
        Of the interquartile means, group minus baseline; None without a shared seed.
    interval : (float, float) or None
        Nominal 95 % percentile bootstrap interval, seeds resampled in pairs; None below
        :data:`MINIMUM_RUNS`.
    """
    if len(values) == 0:
        return None, None
    difference = interquartile_mean(values) - interquartile_mean(baseline)
    if len(values) < MINIMUM_RUNS:
        return difference, None
    return difference, _ends(*bootstrap((values, baseline), difference_of_trimmed, paired=True))


def probability_of_improvement(
    values: Values, baseline: Values, better: Literal["lower", "higher"]
) -> tuple[float | None, Interval | None]:
    """P(group better than baseline) + P(equal) / 2, over all pairs of their runs.

    The Mann-Whitney U statistic over the number of pairs; Agarwal et al. 2021, section 4.3.

    Parameters
    ----------
    values, baseline : ndarray
        One value a run, shapes (n,) and (m,); infinite for a run that counts as worse than any other.
    better : {"lower", "higher"}
        Which values are better.

    Returns
    -------
    probability : float or None
        In [0, 1]; None if one side has no run.
    interval : (float, float) or None
        95 % percentile bootstrap interval, each side's runs resampled within that side; None if one side
        has fewer than :data:`MINIMUM_RUNS`.
    """
    if min(len(values), len(baseline)) == 0:
        return None, None

    if better == "lower":
        values, baseline = -values, -baseline
    probability = float(share_won(values, baseline))
    if min(len(values), len(baseline)) < MINIMUM_RUNS:
        return probability, None
    return probability, _ends(*bootstrap((values, baseline), share_won, batch=len(values) * len(baseline)))


def trimmed(values: Values, axis: int = -1) -> Values:
    """Interquartile means along an axis."""
    centre: Values = stats.trim_mean(values, 0.25, axis=axis)
    return centre


def difference_of_trimmed(values: Values, baseline: Values, axis: int = -1) -> Values:
    """Differences of interquartile means along an axis."""
    return trimmed(values, axis) - trimmed(baseline, axis)


def share_won(values: Values, baseline: Values, axis: int = -1) -> Values:
    """Share of pairs along an axis in which the value is higher than the baseline's; ties count half."""
    ours = np.moveaxis(values, axis, -1)[..., :, None]
    theirs = np.moveaxis(baseline, axis, -1)[..., None, :]
    won: Values = ((ours > theirs) + 0.5 * (ours == theirs)).mean(axis=(-2, -1))
    return won


def bootstrap(
    data: tuple[Values, ...],
    statistic: Callable[..., Values],
    paired: bool = False,
    batch: int = 1,
    resamples: int = RESAMPLES,
) -> tuple[Values, Values]:
    """Percentile bootstrap intervals.

    Parameters
    ----------
    data : tuple of ndarray
        The samples, runs along the last axis; each place of other axes has an interval of its own.
    statistic : callable
        Takes the samples and ``axis``.
    paired : bool
        Whether samples are resampled together.
    batch : int
        Comparisons in one resample; it bounds the memory.
    resamples : int
        How many resamples are drawn.

    Returns
    -------
    ndarray, ndarray
        Lower and upper ends.
    """
    found = stats.bootstrap(
        data,
        statistic,
        paired=paired,
        n_resamples=resamples,
        batch=max(1, min(resamples, _COMPARISONS_AT_ONCE // batch)),
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return found.low, found.high


def _ends(low: Values, high: Values) -> Interval:
    return float(low), float(high)
