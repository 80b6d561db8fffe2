"""The signs by which a sampler has collapsed, and their text; imports no metric, and so no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bench.runs.description import HealthRules

Values = Mapping[str, float]
"""Metric name to number, of one evaluation."""

COVERED = {"classes_covered": "class", "modes_covered": "mode"}
"""The metrics that count what of the data the samples show, and what they count."""


def signs_of_collapse(values: Values, real: Values, rules: HealthRules) -> list[str]:
    """Return the metrics by which a sampler has collapsed; none for a healthy one.

    Parameters
    ----------
    values : mapping
        The sampler's metrics.
    real : mapping
        Scores of held-out real samples, as many as are compared pairwise. A metric that either side lacks is
        ignored, and so is one that is 0 for real samples (a network that is sure of no class).
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
    """Whether the samples are too far from the data for a metric to count as a sign of collapse."""
    goodness = rules.of_good_samples.get(name, "")
    return goodness in values and goodness in real and values[goodness] < rules.good_from * real[goodness]


def text_of_signs(values: Values, real: Values, rules: HealthRules) -> str:
    """Return the signs of collapse with their numbers as text, such as ``vendi 7.3 (real 13.4)``.

    If the samples show no class or mode of the data, the text ends in ``; unformed: ...``.

    Parameters
    ----------
    values, real, rules
        As for :func:`signs_of_collapse`.

    Returns
    -------
    str
        Empty where there is no sign.
    """
    signs = signs_of_collapse(values, real, rules)
    shown = ", ".join(f"{name} {values[name]:.3g} (real {real[name]:.3g})" for name in signs)
    counted = [COVERED[name] for name in COVERED if values.get(name) == 0 and real.get(name)]
    if signs and counted:
        return f"{shown}; unformed: no {counted[0]} covered, the training may be too short"
    return shown


def verdict_of_samples(values: Values, real: Values, possible: Collection[str], rules: HealthRules) -> str:
    """Return the verdict on one set of samples: ``collapsed`` or ``ok``.

    Parameters
    ----------
    values, real, rules
        As for :func:`signs_of_collapse`.
    possible : collection of str
        Every metric that the judge could measure.

    Returns
    -------
    str
        Empty if a metric that the rules use could be measured and was not: there is no verdict then.
    """
    used = {*rules.collapsed_below, *rules.collapsed_above, *rules.of_good_samples.values()}
    if not used.intersection(possible) <= values.keys():
        return ""
    return "collapsed" if signs_of_collapse(values, real, rules) else "ok"
