"""Findings: sentences that state the facts of a table, and the meaning of a run's health tag."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.comparing.group_results import GroupResult
from bench.comparing.groups import has_judge, is_collapsed, is_diverged
from bench.comparing.numbers import listed, number
from bench.comparing.result_tables import spread
from bench.comparing.statistics import MINIMUM_RUNS, rate_interval
from bench.comparing.summary import Summary
from bench.health.signs import text_of_rule, text_of_signs
from bench.health.verdict import RULES, STUCK_OVER_LAST
from bench.runs.description import HealthSign
from variants.scalars import TrainingScalar


def findings(summary: Summary, kept: pd.DataFrame, unfinished: int) -> list[str]:
    """Return sentences about one table of groups.

    Parameters
    ----------
    summary : Summary
        The groups, compared.
    kept : DataFrame
        Its runs, with the column ``group``.
    unfinished : int
        Number of runs that are left out since they have no end.
    """
    sentences = []
    for metric in summary.metrics:
        results = [result for result in summary.of_metric(metric) if result.iqm.value is not None]
        if results:
            sentences.append(_best(results, summary.baseline))
    judged = kept[has_judge(kept)]
    if len(judged) or kept.empty:
        sentences.append(_counted("collapsed", is_collapsed(judged), judged))
    if unseen := len(kept) - len(judged):
        sentences.append(
            f"{unseen} of {len(kept)} runs {'was' if unseen == 1 else 'were'} not judged, so that a "
            "collapse is not seen."
        )
    if is_diverged(kept).any():
        sentences.append(_counted("diverged", is_diverged(kept), kept))
    if unfinished:
        total = len(kept) + unfinished
        sentences.append(
            f"{unfinished} of {total} runs {'has' if unfinished == 1 else 'have'} not come to an end and "
            f"{'is' if unfinished == 1 else 'are'} in no table of results."
        )
    return sentences


def _best(results: list[GroupResult], baseline: str | None) -> str:
    """Which group is best, and whether its interval overlaps that of the baseline, or of the next."""
    metric, lower = results[0].metric, results[0].better == "lower"
    ordered = sorted(results, key=lambda result: (result.iqm.value or 0.0) * (1 if lower else -1))
    first = ordered[0]
    if len(ordered) == 1:
        if first.iqm.count == 1:
            return f"{metric}: {first.group} has {number(first.iqm.value)} in its only run."
        return f"{metric}: {first.group} has an IQM of {_value(first)}; there is no other group."
    kind = "lowest" if lower else "highest"
    sharing = [result.group for result in ordered if result.iqm.value == first.iqm.value]
    if len(sharing) > 1:
        return f"{metric}: {listed(sharing)} share the {kind} IQM, {number(first.iqm.value)}."
    sentence = f"{metric}: {first.group} has the {kind} IQM, {_value(first)}"
    second = next((result for result in ordered[1:] if result.group == baseline), ordered[1])
    if second.group == baseline:
        other = f"the baseline {baseline} has {_value(second)}"
    else:
        other = f"next comes {second.group} with {_value(second)}"
    if first.iqm.interval is None or second.iqm.interval is None:
        return (
            f"{sentence}; {other}; at least one of the two has fewer than {MINIMUM_RUNS} runs, too few for "
            "an interval."
        )
    below, above = (first, second) if lower else (second, first)
    assert below.iqm.interval is not None
    assert above.iqm.interval is not None
    apart = below.iqm.interval[1] < above.iqm.interval[0]
    covers = min(result.iqm.coverage or 0.0 for result in (first, second))
    return (
        f"{sentence}; {other}; the bootstrap intervals (measured coverage {covers:.2f} or more) "
        f"{'do not overlap' if apart else 'overlap'}."
    )


def _value(result: GroupResult) -> str:
    return f"{spread(result.iqm)}, mean {number(result.mean)}"


def _counted(word: str, which: pd.Series, kept: pd.DataFrame) -> str:
    of_groups = []
    for group, members in kept.groupby("group"):
        if count := int(which[members.index].sum()):
            low, high = rate_interval(count, len(members))
            exact = f"a rate of {count / len(members):.2f} [{low:.2f}, {high:.2f}]"
            of_groups.append(f"{count} of {len(members)} of {group} ({exact})")
    return f"{word.capitalize()} runs: {', '.join(of_groups) or 'none'}."


def is_well(run: pd.Series) -> bool:
    """Whether a run finished with health ok."""
    return bool(run["status"] == "FINISHED" and run["health"] == "ok")


def _is_stopped(run: pd.Series) -> bool:
    return run.get("stopped_on") is not None and bool(pd.notna(run.get("stopped_on")))


def tag(run: pd.Series) -> str:
    """Return a run's health, after its status unless the run finished or diverged."""
    health = run["health"] if isinstance(run["health"], str) else ""
    state = str(run["status"]).lower()
    if state == "finished" or health.startswith("diverged@") or _is_stopped(run):
        return health
    return ", ".join([state, *([health] if health not in ("", "ok") else [])])


def meaning(
    run: pd.Series,
    last: Mapping[str, float] | None = None,
    real: Mapping[str, float] | None = None,
    declared: Sequence[TrainingScalar] = (),
) -> str:
    """Return the meaning of a run's status and health tag, in sentences.

    Parameters
    ----------
    run : Series
        The run's row of the frame.
    last, real : mapping, optional
        The metrics of its last evaluation, and the scores of held-out real samples: with both, the meaning
        of a collapse has their numbers.
    declared : sequence of TrainingScalar
        What the run declares of its scalars, for the title of one that is stuck.
    """
    health = run["health"] if isinstance(run["health"], str) else ""
    kind, _, step = health.partition("@")
    if kind == "diverged":
        return f"A loss ceased to be finite at step {int(step):,}; the run ended there and has no value."
    if _is_stopped(run):
        status: str | None = f"stop_on: collapse ended it before step {run['steps']:,}; it counts in tables."
    else:
        status = {
            "KILLED": "It was stopped before its end and is in no table of results.",
            "FAILED": "It broke off with an error and is in no table of results.",
            "RUNNING": "Its record has no end, so it is in training or was cut off: it is in no table.",
        }.get(str(run["status"]))
    reached = None
    if status and pd.notna(run["step"]):
        reached = f"Its last evaluation is that of step {run['step']:,} of {run['steps']:,}."
    signs = _signs(last or {}, real or {})
    return (
        " ".join(filter(None, (status, reached, _of_tag(kind, step, signs, declared))))
        or "This version does not know the tag."
    )


def _signs(last: Mapping[str, float], real: Mapping[str, float]) -> str:
    """Return the signs of collapse with their numbers; empty where there is none by this version's rule."""
    return _spelt(text_of_signs(last, real, RULES))


def _spelt(metric: str) -> str:
    return metric.replace("_", " ")


def _of_tag(kind: str, step: str, signs: str, declared: Sequence[TrainingScalar]) -> str:
    if kind == "collapsed":
        showed = "samples showed far less than real ones do"
        return _since(step, showed, "to have collapsed", signs, RULES.collapse)
    if kind == "memorised":
        showed = "samples were nearer to training samples than other real ones are"
        return _since(step, showed, "to be training samples", signs, RULES.memorisation)
    name, stuck, bound = kind.rpartition("-stuck-")
    if stuck:
        titles = [scalar.title for scalar in declared if scalar.name == name]
        what = f"{name} ({titles[0]})" if titles else name
        return f"{what} was exactly {bound} in the last {STUCK_OVER_LAST:.0%} of the steps."
    return ""


def _since(step: str, showed: str, judged: str, signs: str, rule: Sequence[HealthSign]) -> str:
    """Return from when on samples were judged so, and by which signs or, without any, by which rule."""
    since = f"In every evaluation from step {int(step):,} to the last"
    if signs:
        return f"{since}, {showed}; in the last: {signs}."
    # the run may have been judged by another rule
    return f"{since}, samples were judged {judged}; the rule of this version: {_spelt(text_of_rule(rule))}."
