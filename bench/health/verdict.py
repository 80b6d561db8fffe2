"""The health tag of a run, from its recorded numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.health.signs import Values, signs_of_collapse, signs_of_memorisation
from bench.judging.metrics.authenticity import AUTHENTICITY
from bench.judging.metrics.classes import EFFECTIVE_CLASSES
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED, REVERSE_KL
from bench.judging.metrics.precision_recall import PRECISION
from bench.judging.metrics.spacing import SPACING
from bench.judging.metrics.vendi import VENDI
from bench.runs.description import HealthRules, HealthSign


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


# docs/health.md describes how the bounds were chosen. Samples that are far from the data cover none of it,
# however diverse they are: some signs count for good samples only.
COLLAPSE = (
    HealthSign(metric=EFFECTIVE_CLASSES, below=0.7),
    HealthSign(metric=MODES_COVERED, below=0.7, where=HIGH_QUALITY, where_from=0.5),
    HealthSign(metric=REVERSE_KL, above=0.4, where=PRECISION, where_from=0.5),
    HealthSign(metric=REVERSE_KL, above=1.4),
    HealthSign(metric=VENDI, below=0.5),
    HealthSign(metric=SPACING, below=0.85),
    HealthSign(metric=COVERAGE, below=0.3, where=PRECISION, where_from=0.9),
)
MEMORISATION = (HealthSign(metric=AUTHENTICITY, below=0.8),)
# A scalar is stuck when it is exactly at a bound throughout this last part of the run.
STUCK_OVER_LAST = 0.25


RULES = HealthRules(collapse=COLLAPSE, memorisation=MEMORISATION, stuck_over_last=STUCK_OVER_LAST)


def collapsed(values: Values, real: Values, rules: HealthRules = RULES) -> bool:
    """Whether a sampler has collapsed, by any sign."""
    return bool(signs_of_collapse(values, real, rules))


def memorised(values: Values, real: Values, rules: HealthRules = RULES) -> bool:
    """Whether a sampler shows training samples again, by any sign."""
    return bool(signs_of_memorisation(values, real, rules))


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
        `memorised@STEP`, likewise; else `NAME-stuck-BOUND` for a scalar at a bound; else `ok`.
    """
    if diverged_at is not None:
        return f"diverged@{diverged_at}"
    for word, found in (("collapsed", collapsed), ("memorised", memorised)):
        since = None
        for step, values in reversed(evaluations):
            if not found(values, real, rules):
                break
            since = step
        if since is not None:
            return f"{word}@{since}"
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
