"""Signs by which a sampler has collapsed or memorised, and their text; imports no metric, and so no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from bench.runs.description import HealthRules, HealthSign

Values = Mapping[str, float]
"""Metric name to number, of one evaluation."""

COVERED = {"classes_covered": "class", "modes_covered": "mode"}
"""The metrics that count what of the data the samples show, and what they count."""


def compared(sign: HealthSign, values: Values, real: Values) -> float | None:
    """Return what a sign compares with its bound, or None where the sign does not count.

    Parameters
    ----------
    sign : HealthSign
        The sign.
    values, real : mapping
        Metrics of the sampler, and scores of held-out real samples, as many as are compared pairwise.

    Returns
    -------
    float or None
        The part of the real samples' value, for a bound below; the excess over it, for one above. None if
        either side lacks the metric, if a part is asked of 0 (a network that is sure of no class), and if the
        samples are not good enough by the sign's other metric.
    """
    if sign.metric not in values or sign.metric not in real or not _good(sign, values, real):
        return None
    value, expected = values[sign.metric], real[sign.metric]
    if sign.above is not None:
        return value - expected
    return value / expected if expected else None


def _good(sign: HealthSign, values: Values, real: Values) -> bool:
    """Whether the samples are near enough to the data for a sign to count; also where this is unknown."""
    if sign.where not in values or sign.where not in real:
        return True
    return values[sign.where] >= sign.where_from * real[sign.where]


def holds(sign: HealthSign, values: Values, real: Values) -> bool:
    """Whether a sampler shows a sign; the parameters are those of :func:`compared`."""
    found = compared(sign, values, real)
    if found is None:
        return False
    if sign.above is not None:
        return found > sign.above
    assert sign.below is not None
    return found < sign.below


def signs_of_collapse(values: Values, real: Values, rules: HealthRules) -> list[str]:
    """Return the metrics by which a sampler has collapsed; none for a healthy one.

    Parameters
    ----------
    values, real : mapping
        As for :func:`compared`.
    rules : HealthRules
        The signs with their bounds.
    """
    return _shown(rules.collapse, values, real)


def signs_of_memorisation(values: Values, real: Values, rules: HealthRules) -> list[str]:
    """Return the metrics by which a sampler shows training samples again; none for a healthy one.

    The parameters are those of :func:`signs_of_collapse`.
    """
    return _shown(rules.memorisation, values, real)


def _shown(signs: Iterable[HealthSign], values: Values, real: Values) -> list[str]:
    return list(dict.fromkeys(sign.metric for sign in signs if holds(sign, values, real)))


def text_of_signs(values: Values, real: Values, rules: HealthRules) -> str:
    """Return the signs of collapse with their numbers as text, such as ``vendi 7.3 (real 13.4)``.

    Without one, the signs of memorisation. If collapsed samples show no class or mode of the data, the text
    ends in ``; unformed: ...``.

    Parameters
    ----------
    values, real, rules
        As for :func:`signs_of_collapse`.

    Returns
    -------
    str
        Empty where there is no sign.
    """
    collapsed = signs_of_collapse(values, real, rules)
    signs = collapsed or signs_of_memorisation(values, real, rules)
    shown = ", ".join(f"{name} {values[name]:.3g} (real {real[name]:.3g})" for name in signs)
    counted = [COVERED[name] for name in COVERED if values.get(name) == 0 and real.get(name)]
    if collapsed and counted:
        return f"{shown}; unformed: no {counted[0]} covered, the training may be too short"
    return shown


def verdict_of_samples(values: Values, real: Values, possible: Collection[str], rules: HealthRules) -> str:
    """Return the verdict on one set of samples: ``collapsed``, ``memorised`` or ``ok``.

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
    used = {name for sign in (*rules.collapse, *rules.memorisation) for name in (sign.metric, sign.where)}
    if not used.intersection(possible) <= values.keys():
        return ""
    if signs_of_collapse(values, real, rules):
        return "collapsed"
    return "memorised" if signs_of_memorisation(values, real, rules) else "ok"


def text_of_rule(signs: Iterable[HealthSign]) -> str:
    """Return signs with their bounds as text, such as ``vendi below 65% of real samples'``."""
    return ", or ".join(map(_text_of_sign, signs))


def _text_of_sign(sign: HealthSign) -> str:
    if sign.above is not None:
        text = f"{sign.metric} more than {sign.above:.2g} above real samples'"
    else:
        text = f"{sign.metric} below {sign.below:.0%} of real samples'"
    return f"{text} (where {sign.where} is at least {sign.where_from:.0%} of theirs)" if sign.where else text
