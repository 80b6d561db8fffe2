"""The health tag of a run, from its recorded numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.health.signs import Values, signs_of_collapse
from bench.judging.metrics.classes import EFFECTIVE_CLASSES
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.duplicates import DUPLICATES
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED, REVERSE_KL
from bench.judging.metrics.precision_recall import PRECISION
from bench.judging.metrics.vendi import VENDI
from bench.runs.description import HealthRules


class Bounded(NamedTuple):
    """A scalar of a run that must not stay at a bound.

    Attributes
    ----------
    name : str
        Name in the record.
    values : sequence of float
        Its value at every step that records it.
    bounds : tuple of float
        Values at which it must not stay.
    """

    name: str
    values: Sequence[float]
    bounds: tuple[float, ...]


# A sampler has collapsed when one of these metrics is below this part of the score of held-out real samples;
# docs/health.md describes how the parts were chosen.
COLLAPSED_BELOW = {EFFECTIVE_CLASSES: 0.7, MODES_COVERED: 0.7, VENDI: 0.65, COVERAGE: 0.4}
# Two of these metrics count for good samples only: samples far from the data cover none, however diverse.
# Samples are good with at least the part GOOD_FROM of the real samples' score in the other metric.
OF_GOOD_SAMPLES = {COVERAGE: PRECISION, MODES_COVERED: HIGH_QUALITY}
GOOD_FROM = 0.5
# Or when one of these metrics exceeds the score of real samples by more than this: near twins, and the
# divergence of samples from a quarter of the modes.
COLLAPSED_ABOVE = {DUPLICATES: 0.4, REVERSE_KL: math.log(4)}
# A scalar is stuck when it is exactly at a bound throughout this last part of the run.
STUCK_OVER_LAST = 0.25


RULES = HealthRules(
    collapsed_below=COLLAPSED_BELOW,
    of_good_samples=OF_GOOD_SAMPLES,
    good_from=GOOD_FROM,
    collapsed_above=COLLAPSED_ABOVE,
    stuck_over_last=STUCK_OVER_LAST,
)


def collapsed(values: Values, real: Values, rules: HealthRules = RULES) -> bool:
    """Whether a sampler has collapsed, by any sign."""
    return bool(signs_of_collapse(values, real, rules))


def verdict(
    evaluations: Sequence[tuple[int, Values]],
    real: Values,
    bounded: Sequence[Bounded],
    diverged_at: int | None,
    rules: HealthRules = RULES,
) -> str:
    """Return a run's health tag; the worst finding wins.

    Parameters
    ----------
    evaluations : sequence of (step, mapping)
        Step and metrics, in order of steps; may be empty.
    real : mapping
        Scores of held-out real samples.
    bounded : sequence of Bounded
        Scalars that must not stay at a bound.
    diverged_at : int or None
        The step at which a loss ceased to be finite, if one did.
    rules : HealthRules
        The bounds.

    Returns
    -------
    str
        `diverged@STEP`; else `collapsed@STEP`, STEP being the first evaluation of the unbroken stretch of
        collapsed ones that reaches the end (a run that recovered is not collapsed); else
        `NAME-stuck-BOUND` for a scalar at a bound; else `ok`.
    """
    if diverged_at is not None:
        return f"diverged@{diverged_at}"
    since = None
    for step, values in reversed(evaluations):
        if not collapsed(values, real, rules):
            break
        since = step
    if since is not None:
        return f"collapsed@{since}"
    for scalar in bounded:
        for bound in scalar.bounds:
            if _stuck_at(scalar.values, bound, rules):
                return f"{scalar.name}-stuck-{bound:g}"
    return "ok"


def _stuck_at(values: Sequence[float], bound: float, rules: HealthRules) -> bool:
    # The last quarter of fewer than 4 steps is no stretch: a scalar that begins at a bound has not had time
    # to move.
    quarter = int(len(values) * rules.stuck_over_last)
    last = values[len(values) - quarter :]
    return len(last) > 0 and all(value == bound for value in last)
