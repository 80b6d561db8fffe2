"""Statistics over seeds: robust centres, bootstrap intervals, comparisons with a baseline.

Follows Agarwal, Schwarzer, Castro, Courville, Bellemare 2021, "Deep Reinforcement Learning at the
Edge of the Statistical Precipice", NeurIPS: interquartile means with stratified percentile bootstrap
intervals, and the probability of improvement.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
Interval = tuple[float, float]

CONFIDENCE = 0.95
RESAMPLES = 10_000
MINIMUM_RUNS = 3  # below so many runs a bootstrap says nothing
_SEED = 0  # of the resampling: the same runs give the same table
_COMPARISONS_AT_ONCE = 5_000_000  # bounds the memory of all pairs of all resamples


def mean(values: Values) -> float:
    """Arithmetic mean of values of shape (runs,), runs >= 1."""
    return float(np.mean(values))


def interquartile_mean(values: Values) -> float:
    """Mean of the middle half: of n values, shape (n,), the int(n / 4) lowest and highest are left out.

    Of fewer than 4 values it is the mean. Agarwal et al. 2021, section 4.3.
    """
    return float(stats.trim_mean(values, 0.25))


def interval(values: Values) -> Interval | None:
    """95 % percentile bootstrap interval of the interquartile mean of one group.

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
    return _bootstrap((values,), _trimmed)


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
        95 % percentile bootstrap interval, seeds resampled in pairs; None below :data:`MINIMUM_RUNS`.
    """
    if len(values) == 0:
        return None, None
    difference = interquartile_mean(values) - interquartile_mean(baseline)
    if len(values) < MINIMUM_RUNS:
        return difference, None

    def statistic(first: Values, second: Values, axis: int = -1) -> Values:
        return _trimmed(first, axis) - _trimmed(second, axis)

    return difference, _bootstrap((values, baseline), statistic, paired=True)


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

    def statistic(first: Values, second: Values, axis: int = -1) -> Values:
        ours = np.moveaxis(first, axis, -1)[..., :, None]
        theirs = np.moveaxis(second, axis, -1)[..., None, :]
        better_pairs = ours > theirs if better == "higher" else ours < theirs
        won: Values = (better_pairs + 0.5 * (ours == theirs)).mean(axis=(-2, -1))
        return won

    probability = float(statistic(values, baseline))
    if min(len(values), len(baseline)) < MINIMUM_RUNS:
        return probability, None
    return probability, _bootstrap((values, baseline), statistic, batch=len(values) * len(baseline))


def _trimmed(values: Values, axis: int = -1) -> Values:
    centre: Values = stats.trim_mean(values, 0.25, axis=axis)
    return centre


def _bootstrap(
    data: tuple[Values, ...], statistic: Callable[..., Values], paired: bool = False, batch: int = 1
) -> Interval:
    """Percentile interval; `batch` is the number of comparisons in one resample."""
    found = stats.bootstrap(
        data,
        statistic,
        paired=paired,
        n_resamples=RESAMPLES,
        batch=max(1, min(RESAMPLES, _COMPARISONS_AT_ONCE // batch)),
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)
