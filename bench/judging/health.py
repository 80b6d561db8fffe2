"""The health tag of a run, from its recorded numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.judging.metrics.classes import CLASSES_COVERED, EFFECTIVE_CLASSES
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.duplicates import DUPLICATES
from bench.judging.metrics.modes import MODES_COVERED
from bench.judging.metrics.vendi import VENDI

Values = Mapping[str, float]
"""Metric name to number, of one evaluation."""

# A sampler has collapsed when one of these is below such a part of what real samples of the same number show.
# docs/health.md says how they were calibrated.
COLLAPSED_BELOW = {
    EFFECTIVE_CLASSES: 0.5,
    CLASSES_COVERED: 0.5,
    MODES_COVERED: 0.5,
    VENDI: 0.5,
    COVERAGE: 0.1,
}
# Or when more than this share of its samples have a twin, beyond what real samples have.
COLLAPSED_ABOVE_DUPLICATES = 0.5
# k is stuck when it is exactly 0 or 1 throughout this last part of the run.
STUCK_OVER_LAST = 0.25


def signs_of_collapse(values: Values, real: Values) -> list[str]:
    """Name the metrics by which a sampler has collapsed; none where it is well.

    Parameters
    ----------
    values : mapping
        The sampler's metrics.
    real : mapping
        What held-out real samples of the same number score. A metric that either lacks says nothing, nor
        does one that is 0 for real samples (a network that is sure of no class).
    """
    signs = [
        name
        for name, part in COLLAPSED_BELOW.items()
        if name in values and name in real and values[name] < part * real[name]
    ]
    if DUPLICATES in values and values[DUPLICATES] - real.get(DUPLICATES, 0.0) > COLLAPSED_ABOVE_DUPLICATES:
        signs.append(DUPLICATES)
    return signs


def collapsed(values: Values, real: Values) -> bool:
    """Whether a sampler shows far less than real samples of the same number do, by any sign."""
    return bool(signs_of_collapse(values, real))


def verdict(
    evaluations: Sequence[tuple[int, Values]],
    real: Values,
    k: Sequence[float] | None,
    diverged_at: int | None,
) -> str:
    """Tell a run's health; the worst finding wins.

    Parameters
    ----------
    evaluations : sequence of (step, mapping)
        Step and metrics, in order of steps; may be empty.
    real : mapping
        What held-out real samples of the same number score.
    k : sequence of float, or None
        k at every step, in [0, 1]; None for a variant without k.
    diverged_at : int or None
        The step at which a loss ceased to be finite, if one did.

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
        if not collapsed(values, real):
            break
        since = step
    if since is not None:
        return f"collapsed@{since}"
    bound = _stuck_at(k or ())
    return "ok" if bound is None else f"k-stuck-{bound}"


def _stuck_at(k: Sequence[float]) -> int | None:
    # The last quarter of fewer than 4 steps is no stretch: k begins at 0 and has not had time to move.
    quarter = int(len(k) * STUCK_OVER_LAST)
    last = list(k[len(k) - quarter :])
    for bound in (0, 1):
        if last and all(value == bound for value in last):
            return bound
    return None
