"""The health tag of a run, from its recorded numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from bench.judging.measurement import ClassCounts, Measurement

# Below these shares of what real images show, a sampler has collapsed.
COLLAPSED_BELOW_EFFECTIVE_CLASSES = 0.5
COLLAPSED_BELOW_CLASSES_COVERED = 0.5
# k is stuck when it is exactly 0 or 1 throughout this last part of the run.
STUCK_OVER_LAST = 0.25


def collapsed(measurement: Measurement, reference: ClassCounts) -> bool:
    """Whether the sampler shows less than half of the classes that real images show, by either count.

    Parameters
    ----------
    measurement : Measurement
        The sampler's numbers.
    reference : ClassCounts
        The real images' numbers by the same rule. Where the network is sure of none of them (Inception on
        images unlike its own), `classes_covered` is 0 and only `effective_classes` decides.
    """
    few_effective = (
        measurement.effective_classes < COLLAPSED_BELOW_EFFECTIVE_CLASSES * reference.effective_classes
    )
    few_covered = measurement.classes_covered < COLLAPSED_BELOW_CLASSES_COVERED * reference.classes_covered
    return few_effective or few_covered


def verdict(
    evaluations: Sequence[tuple[int, Measurement]], k: Sequence[float] | None, diverged_at: int | None
) -> str:
    """Tell a run's health; the worst finding wins.

    Parameters
    ----------
    evaluations : sequence of (step, Measurement)
        In order of steps; may be empty.
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
    for step, measurement in reversed(evaluations):
        if not collapsed(measurement, measurement.reference):
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
