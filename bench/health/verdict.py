"""The health tag of a run, from its recorded numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.judging.metrics.classes import EFFECTIVE_CLASSES
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.duplicates import DUPLICATES
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED, REVERSE_KL
from bench.judging.metrics.precision_recall import PRECISION
from bench.judging.metrics.vendi import VENDI
from bench.runs.description import HealthRules

Values = Mapping[str, float]
"""Metric name to number, of one evaluation."""

# A sampler has collapsed when one of these is below such a part of what held-out real samples show;
# docs/health.md tells how the parts were chosen.
COLLAPSED_BELOW = {EFFECTIVE_CLASSES: 0.7, MODES_COVERED: 0.7, VENDI: 0.65, COVERAGE: 0.4}
# Two of them say so of good samples only: what is nowhere near the data covers none of it, however diverse.
# Good is a sampler with at least this part of what real samples have of the other metric.
OF_GOOD_SAMPLES = {COVERAGE: PRECISION, MODES_COVERED: HIGH_QUALITY}
GOOD_FROM = 0.5
# Or when one of these is above what real samples show by more than this: near twins, and a divergence as
# great as that of a quarter of the modes.
COLLAPSED_ABOVE = {DUPLICATES: 0.4, REVERSE_KL: math.log(4)}
# k is stuck when it is exactly 0 or 1 throughout this last part of the run.
STUCK_OVER_LAST = 0.25


RULES = HealthRules(
    collapsed_below=COLLAPSED_BELOW,
    of_good_samples=OF_GOOD_SAMPLES,
    good_from=GOOD_FROM,
    collapsed_above=COLLAPSED_ABOVE,
    stuck_over_last=STUCK_OVER_LAST,
)


def signs_of_collapse(values: Values, real: Values, rules: HealthRules = RULES) -> list[str]:
    """Name the metrics by which a sampler has collapsed; none where it is well.

    Parameters
    ----------
    values : mapping
        The sampler's metrics.
    real : mapping
        What held-out real samples score, as many as are compared with each other. A metric that either
        lacks says nothing, nor does one that is 0 for real samples (a network that is sure of no class).
    rules : HealthRules
        The bounds.
    """
    both = values.keys() & real.keys()
    signs = []
    for name, part in rules.collapsed_below.items():
        if name in both and values[name] < part * real[name] and not _poor(name, values, real, rules):
            signs.append(name)
    for name, excess in rules.collapsed_above.items():
        if name in both and values[name] > real[name] + excess:
            signs.append(name)
    return signs


def _poor(name: str, values: Values, real: Values, rules: HealthRules) -> bool:
    """Whether the samples are too far from the data for a metric to speak of collapse."""
    goodness = rules.of_good_samples.get(name, "")
    return goodness in values and goodness in real and values[goodness] < rules.good_from * real[goodness]


def collapsed(values: Values, real: Values, rules: HealthRules = RULES) -> bool:
    """Whether a sampler shows far less than real samples do, by any sign."""
    return bool(signs_of_collapse(values, real, rules))


def verdict(
    evaluations: Sequence[tuple[int, Values]],
    real: Values,
    k: Sequence[float] | None,
    diverged_at: int | None,
    rules: HealthRules = RULES,
) -> str:
    """Tell a run's health; the worst finding wins.

    Parameters
    ----------
    evaluations : sequence of (step, mapping)
        Step and metrics, in order of steps; may be empty.
    real : mapping
        What held-out real samples score.
    k : sequence of float, or None
        k at every step, in [0, 1]; None for a variant without k.
    diverged_at : int or None
        The step at which a loss ceased to be finite, if one did.
    rules : HealthRules
        The rules to judge by.

    Returns
    -------
    str
        `diverged@STEP`; else `collapsed@STEP`, STEP being the first evaluation of the unbroken stretch of
        collapsed ones that reaches the end (a run that recovered is not collapsed); else `k-stuck-0` or
        `k-stuck-1`; else `ok`.
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
    bound = _stuck_at(k or (), rules)
    return "ok" if bound is None else f"k-stuck-{bound}"


def _stuck_at(k: Sequence[float], rules: HealthRules) -> int | None:
    # The last quarter of fewer than 4 steps is no stretch: k begins at 0 and has not had time to move.
    quarter = int(len(k) * rules.stuck_over_last)
    last = list(k[len(k) - quarter :])
    for bound in (0, 1):
        if last and all(value == bound for value in last):
            return bound
    return None
