"""What a table says, in sentences that state facts only; and what a run's health tag means."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.comparing.groups import is_collapsed, is_diverged
from bench.comparing.numbers import number
from bench.comparing.rendering import spread
from bench.comparing.statistics import MINIMUM_RUNS, rate_interval
from bench.comparing.summary import Summary
from bench.health.verdict import (
    COLLAPSED_ABOVE,
    COLLAPSED_BELOW,
    GOOD_FROM,
    OF_GOOD_SAMPLES,
    STUCK_OVER_LAST,
    signs_of_collapse,
)


def findings(summary: Summary, kept: pd.DataFrame, unfinished: int) -> list[str]:
    """Sentences about one table of groups.

    Parameters
    ----------
    summary : Summary
        The groups, compared.
    kept : DataFrame
        Its runs, with the column ``group``.
    unfinished : int
        How many runs are left out since they did not come to their end.
    """
    sentences = []
    for metric in summary.table["metric"].unique():
        rows = summary.table[(summary.table["metric"] == metric) & summary.table["iqm"].notna()]
        if len(rows):
            sentences.append(_best(str(metric), rows.to_dict("records"), summary.baseline))
    sentences.append(_counted("collapsed", is_collapsed(kept), kept))
    if is_diverged(kept).any():
        sentences.append(_counted("diverged", is_diverged(kept), kept))
    if unfinished:
        total = len(kept) + unfinished
        sentences.append(
            f"{unfinished} of {total} runs {'has' if unfinished == 1 else 'have'} not come to an end and "
            f"{'is' if unfinished == 1 else 'are'} in no table of results."
        )
    return sentences


def _best(metric: str, rows: list[dict[str, Any]], baseline: str | None) -> str:
    """Which group is best, and whether its interval overlaps that of the baseline, or of the next."""
    lower = rows[0]["better"] == "lower"
    ordered = sorted(rows, key=lambda row: row["iqm"] if lower else -row["iqm"])
    first = [row for row in ordered if row["iqm"] == ordered[0]["iqm"]]
    names = _listed([row["group"] for row in first])
    kind = "lowest" if lower else "highest"
    if len(first) > 1:
        return f"{metric}: {names} share the {kind} IQM, {number(first[0]['iqm'])}."
    sentence = f"{metric}: {names} has the {kind} IQM, {_value(first[0])}"
    if len(ordered) == 1:
        return f"{sentence}."
    versus = next((row for row in ordered[1:] if row["group"] == baseline), ordered[1])
    if versus["group"] == baseline:
        other = f"the baseline {baseline} has {_value(versus)}"
    else:
        other = f"next comes {versus['group']} with {_value(versus)}"
    if any(math.isnan(row["iqm_low"]) for row in (first[0], versus)):
        return (
            f"{sentence}; {other}; at least one of the two has fewer than {MINIMUM_RUNS} runs, too few for "
            "an interval."
        )
    apart = first[0]["iqm_high"] < versus["iqm_low"] if lower else first[0]["iqm_low"] > versus["iqm_high"]
    covers = min(row["iqm_coverage"] for row in (first[0], versus))
    return (
        f"{sentence}; {other}; the bootstrap intervals (measured coverage {covers:.2f} or more) "
        f"{'do not overlap' if apart else 'overlap'}."
    )


def _value(row: dict[str, Any]) -> str:
    return f"{spread(row, 'iqm', '')}, mean {number(row['mean'])}"


def _counted(word: str, which: pd.Series, kept: pd.DataFrame) -> str:
    of_groups = []
    for group, members in kept.groupby("group"):
        if count := int(which[members.index].sum()):
            low, high = rate_interval(count, len(members))
            exact = f"a rate of {count / len(members):.2f} [{low:.2f}, {high:.2f}]"
            of_groups.append(f"{count} of {len(members)} of {group} ({exact})")
    return f"{word.capitalize()} runs: {', '.join(of_groups) or 'none'}."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def is_well(run: pd.Series) -> bool:
    """Whether there is nothing to tell about a run's health."""
    return bool(run["status"] == "FINISHED" and run["health"] == "ok")


def tag(run: pd.Series) -> str:
    """A run's health, and before it how the run ended unless it finished or diverged."""
    health = run["health"] if isinstance(run["health"], str) else ""
    state = str(run["status"]).lower()
    if state == "finished" or health.startswith("diverged@"):
        return health
    return ", ".join([state, *([health] if health not in ("", "ok") else [])])


def meaning(
    run: pd.Series, last: Mapping[str, float] | None = None, real: Mapping[str, float] | None = None
) -> str:
    """What a run's status and health tag mean, in a sentence.

    Parameters
    ----------
    run : Series
        Its row of the frame.
    last, real : mapping, optional
        The metrics of its last evaluation, and what held-out real samples score: with both a collapse is told
        with its numbers.
    """
    health = run["health"] if isinstance(run["health"], str) else ""
    kind, _, step = health.partition("@")
    if kind == "diverged":
        return f"A loss ceased to be finite at step {int(step):,}; the run ended there and has no value."
    told = {
        "KILLED": "It was stopped before its end and is in no table of results.",
        "FAILED": "It broke off with an error and is in no table of results.",
        "RUNNING": "Its record has no end, so it is in training or was cut off: it is in no table.",
    }.get(str(run["status"]))
    reached = None
    if told and pd.notna(run["step"]):
        reached = f"Its last evaluation is that of step {run['step']:,} of {run['steps']:,}."
    signs = _signs(last or {}, real or {})
    return (
        " ".join(filter(None, (told, reached, _of_tag(kind, step, signs))))
        or "This version does not know the tag."
    )


def _signs(last: Mapping[str, float], real: Mapping[str, float]) -> str:
    """By what samples have collapsed, with numbers; "" where they have not, by the rule of this version."""
    return ", ".join(
        f"{_word(name)} {last[name]:.3g} (real {real[name]:.3g})" for name in signs_of_collapse(last, real)
    )


def _rule() -> str:
    """The rule of collapse in words."""
    parts: dict[float, list[str]] = {}
    for name, part in COLLAPSED_BELOW.items():
        parts.setdefault(part, []).append(_word(name))
    below = [f"less than {part:.0%} of their {' or '.join(names)}" for part, names in parts.items()]
    below[0] = below[0].replace("their", "real samples'")
    above = [f"{_word(name)} more than {excess:.2g} above theirs" for name, excess in COLLAPSED_ABOVE.items()]
    counts = [
        f"{_word(name)} counts unless {_word(goodness)} is below {GOOD_FROM:.0%} of theirs"
        for name, goodness in OF_GOOD_SAMPLES.items()
    ]
    return f"{', '.join(below)}, or {' or '.join(above)}; {', '.join(counts)}"


def _word(metric: str) -> str:
    return metric.replace("_", " ")


def _of_tag(kind: str, step: str, signs: str) -> str:
    if kind == "collapsed":
        since = f"In every evaluation from step {int(step):,} to the last"
        if signs:
            return f"{since}, samples showed far less than real ones do; in the last: {signs}."
        # what the run was judged by may have been another rule
        return f"{since}, samples were judged to have collapsed; the rule of this version: {_rule()}."
    if kind.startswith("k-stuck-"):
        bound = kind.removeprefix("k-stuck-")
        side = "the generator's term had no weight" if bound == "0" else "its term had the full weight"
        return f"k was exactly {bound} in the last {STUCK_OVER_LAST:.0%} of the steps: in D's loss {side}."
    return ""
