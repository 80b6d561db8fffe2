"""Bounds of the verdict, fitted to cases, and scores with intervals that know which cases are alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest
from verdict_cases import Case

from bench.health.signs import compared
from bench.runs.description import HealthSign

DRAWS = 2000  # of the bootstrap
# A false alarm costs as much as so many missed cases, in the mean over mechanisms and data sets.
COST = 10.0
SWEEPS = 4  # over all signs
PARTS = np.arange(0, 1.0001, 0.01)  # bounds that are tried: parts of the real samples' value,
EXCESSES = np.concatenate((np.arange(0, 0.1, 0.005), np.arange(0.1, 3, 0.02)))  # and excesses over it


@dataclass(frozen=True)
class Rate:
    """A share of cases with its 95% interval.

    Attributes
    ----------
    hits, count : int
        Cases.
    low, high : float
        Percentiles of the bootstrap over clusters; exact, with a cluster as one case, where the share is 0 or
        1 and the bootstrap would have no width.
    """

    hits: int
    count: int
    low: float
    high: float

    def __str__(self) -> str:
        if not self.count:
            return "-"
        return (
            f"{self.hits} of {self.count}: {self.hits / self.count:.3f} ({self.low:.2f} to {self.high:.2f})"
        )


@dataclass(frozen=True)
class Scores:
    """How often flags are right: recall, false alarms among the others, precision."""

    recall: Rate
    false_alarms: Rate
    precision: Rate


def measured_by(cases: Sequence[Case], signs: Sequence[HealthSign]) -> np.ndarray:
    """Return what each sign compares with its bound, float (cases, signs).

    For a bound above, the negative of the excess, so that less is always worse; infinite where a sign does
    not apply.
    """
    found = np.full((len(cases), len(signs)), np.inf)
    for row, case in enumerate(cases):
        for column, sign in enumerate(signs):
            value = compared(sign, case.values, case.real)
            if value is not None:
                found[row, column] = -value if sign.above is not None else value
    return found


def bounds_of(signs: Sequence[HealthSign]) -> np.ndarray:
    """Return the bounds of signs in the orientation of :func:`measured_by`."""
    return np.array([sign.below if sign.above is None else -sign.above for sign in signs], dtype=float)


def with_bounds(signs: Sequence[HealthSign], bounds: np.ndarray) -> tuple[HealthSign, ...]:
    """Return signs with other bounds."""
    return tuple(
        sign.model_copy(update={"above": -bound} if sign.above is not None else {"below": bound})
        for sign, bound in zip(signs, bounds.tolist(), strict=True)
    )


def clusters_of(cases: Sequence[Case]) -> np.ndarray:
    """Return the number of each case's cluster, int64 (N,)."""
    return np.unique([" on ".join(case.cluster) for case in cases], return_inverse=True)[1]


def fit(
    measured: np.ndarray, wanted: np.ndarray, clusters: np.ndarray, signs: Sequence[HealthSign]
) -> np.ndarray:
    """Return the bounds that flag best, each the middle of those that do equally well.

    Parameters
    ----------
    measured : ndarray
        Result of :func:`measured_by`.
    wanted : ndarray
        bool (N,): whether each case is to be flagged.
    clusters : ndarray
        Result of :func:`clusters_of`: every cluster weighs the same, whatever its number of cases.
    signs : sequence of HealthSign
        The signs, whose guards are kept.

    Returns
    -------
    ndarray
        Bounds in the orientation of `measured`, found by coordinate ascent from none.
    """
    weights = np.zeros(len(wanted))
    for side, cost in ((wanted, 1.0), (~wanted, -COST)):
        sizes = np.bincount(clusters[side], minlength=clusters.max() + 1)
        weights[side] = cost / np.count_nonzero(sizes) / sizes[clusters[side]]
    grids = [-EXCESSES[::-1] if sign.above is not None else PARTS for sign in signs]
    bounds = np.array([grid[0] for grid in grids], dtype=float)
    for _ in range(SWEEPS):
        for place, grid in enumerate(grids):
            flagged = measured < bounds
            flagged[:, place] = False
            others = flagged.any(axis=1)
            gains = (others[:, None] | (measured[:, place, None] < grid)).T.astype(float) @ weights
            best = np.flatnonzero(gains >= gains.max() - 1e-12)
            bounds[place] = grid[best[len(best) // 2]]
    return bounds


def left_out(
    cases: Sequence[Case], measured: np.ndarray, wanted: np.ndarray, signs: Sequence[HealthSign]
) -> np.ndarray:
    """Return whether each case is flagged by bounds fitted without any case of its mechanism, bool (N,)."""
    mechanisms = np.array([case.mechanism for case in cases])
    clusters = clusters_of(cases)
    flagged = np.zeros(len(cases), dtype=bool)
    for mechanism in np.unique(mechanisms):
        own = mechanisms == mechanism
        kept = np.unique(clusters[~own], return_inverse=True)[1]
        bounds = fit(measured[~own], wanted[~own], kept, signs)
        flagged[own] = (measured[own] < bounds).any(axis=1)
    return flagged


def scores(flagged: np.ndarray, wanted: np.ndarray, clusters: np.ndarray) -> Scores:
    """Return recall, false alarms and precision with intervals clustered by mechanism and data set."""
    kinds = np.unique(clusters, return_inverse=True)[1]
    random = np.random.default_rng(0)
    draws = random.multinomial(kinds.max() + 1, np.full(kinds.max() + 1, 1 / (kinds.max() + 1)), DRAWS)

    def rate(of: np.ndarray, hits: np.ndarray) -> Rate:
        count, good = int(of.sum()), int((of & hits).sum())
        if not count:
            return Rate(0, 0, 0.0, 1.0)
        if good in (0, count):
            number = len(np.unique(kinds[of]))
            exact = binomtest(number if good else 0, number).proportion_ci(method="exact")
            return Rate(good, count, exact.low, exact.high)
        sums = [np.bincount(kinds, weights=part, minlength=draws.shape[1]) for part in (of & hits, of)]
        top, bottom = (draws @ part for part in sums)
        low, high = np.nanpercentile(top[bottom > 0] / bottom[bottom > 0], (2.5, 97.5))
        return Rate(good, count, float(low), float(high))

    return Scores(rate(wanted, flagged), rate(~wanted, flagged), rate(flagged, wanted))
