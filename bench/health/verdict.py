"""The health tag of a run, from its recorded numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.judging.metrics.classes import EFFECTIVE_CLASSES
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.duplicates import DUPLICATES
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED, REVERSE_KL
from bench.judging.metrics.precision_recall import PRECISION
from bench.judging.metrics.vendi import VENDI

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


@dataclass(frozen=True)
class Rules:
    """The numbers by which health is judged; the defaults are this version's.

    Attributes
    ----------
    collapsed_below : mapping
        Metric to the part of what real samples show, below which a sampler has collapsed.
    of_good_samples : mapping
        Metric of `collapsed_below` to the metric by which a sampler has to be good for it to count.
    good_from : float
        Part of what real samples have of that other metric, from which on a sampler is good.
    collapsed_above : mapping
        Metric to the excess over what real samples show, above which a sampler has collapsed.
    stuck_over_last : float
        Last part of a run throughout which k has to be exactly 0 or 1 to be stuck.
    """

    collapsed_below: Mapping[str, float] = field(default_factory=lambda: dict(COLLAPSED_BELOW))
    of_good_samples: Mapping[str, str] = field(default_factory=lambda: dict(OF_GOOD_SAMPLES))
    good_from: float = GOOD_FROM
    collapsed_above: Mapping[str, float] = field(default_factory=lambda: dict(COLLAPSED_ABOVE))
    stuck_over_last: float = STUCK_OVER_LAST

    def plain(self) -> dict[str, Any]:
        """The rules as plain data, for a run's description."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Any) -> Rules:
        """The rules that :meth:`plain` gave.

        Raises
        ------
        ValueError
            If the values are not such rules.
        """
        try:
            rules = cls(**values)
            numbers = (*rules.collapsed_below.values(), *rules.collapsed_above.values())
            whole = all(isinstance(number, int | float) for number in numbers)
            whole &= all(isinstance(name, str) for name in rules.of_good_samples.values())
            whole &= isinstance(rules.good_from, int | float)
            whole &= isinstance(rules.stuck_over_last, int | float) and 0 <= rules.stuck_over_last <= 1
        except (TypeError, AttributeError) as error:
            raise ValueError(f"no rules of health: {error}") from None
        if not whole:
            raise ValueError("no rules of health: a value has the wrong type or lies outside its range")
        return rules


RULES = Rules()


def signs_of_collapse(values: Values, real: Values, rules: Rules = RULES) -> list[str]:
    """Name the metrics by which a sampler has collapsed; none where it is well.

    Parameters
    ----------
    values : mapping
        The sampler's metrics.
    real : mapping
        What held-out real samples score, as many as are compared with each other. A metric that either
        lacks says nothing, nor does one that is 0 for real samples (a network that is sure of no class).
    rules : Rules
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


def _poor(name: str, values: Values, real: Values, rules: Rules) -> bool:
    """Whether the samples are too far from the data for a metric to speak of collapse."""
    goodness = rules.of_good_samples.get(name, "")
    return goodness in values and goodness in real and values[goodness] < rules.good_from * real[goodness]


def collapsed(values: Values, real: Values, rules: Rules = RULES) -> bool:
    """Whether a sampler shows far less than real samples do, by any sign."""
    return bool(signs_of_collapse(values, real, rules))


def verdict(
    evaluations: Sequence[tuple[int, Values]],
    real: Values,
    k: Sequence[float] | None,
    diverged_at: int | None,
    rules: Rules = RULES,
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
    rules : Rules
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


def _stuck_at(k: Sequence[float], rules: Rules) -> int | None:
    # The last quarter of fewer than 4 steps is no stretch: k begins at 0 and has not had time to move.
    quarter = int(len(k) * rules.stuck_over_last)
    last = list(k[len(k) - quarter :])
    for bound in (0, 1):
        if last and all(value == bound for value in last):
            return bound
    return None
