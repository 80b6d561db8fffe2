"""Results of groups of runs in numbers: centres, intervals and comparisons with a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.comparing import statistics
from bench.comparing.comparable import check, data_words
from bench.comparing.frame import measured
from bench.comparing.groups import is_collapsed, is_complete, is_diverged, once_per_seed, with_groups
from bench.comparing.selection import SelectionRule, rule_named
from bench.datasets import label
from bench.errors import RequestError, shown, unknown
from bench.judging.metrics import better_direction
from bench.judging.metrics.classes import CLASSES_COVERED
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED, REVERSE_KL

COLUMNS = (
    "metric",
    "better",
    "group",
    "runs",
    "diverged",
    "collapsed",
    "mean",
    "iqm",
    "iqm_low",
    "iqm_high",
    "last_iqm",
    "last_iqm_low",
    "last_iqm_high",
    "difference",
    "difference_low",
    "difference_high",
    "pairs",
    "improvement",
    "improvement_low",
    "improvement_high",
)
COUNTS = ("runs", "diverged", "collapsed", "pairs")


@dataclass(frozen=True)
class Summary:
    """Groups of runs, compared.

    Attributes
    ----------
    table : DataFrame
        One row a metric and group, metrics as asked for, the baseline first, else by name. Columns
        :data:`COLUMNS`: ``better`` is lower or higher; ``runs`` counts runs with a value, ``diverged``
        those that have none for that reason, ``collapsed`` all that ended collapsed; ``iqm`` is the
        interquartile mean at the selected step with its 95 % interval, ``last_iqm`` at the last
        evaluation; ``difference`` to the baseline over ``pairs`` shared seeds; ``improvement`` is the
        probability that a run of the group is better than one of the baseline. Missing where there is
        none: intervals below 3 runs, comparisons without a baseline and for it.
    notes : tuple of str
        What a reader must know: selection, protocol, data, resampling, and what was left out.
    rule : SelectionRule
        How each run's step was selected.
    baseline : str or None
        The group that others are compared with.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    rule: SelectionRule
    baseline: str | None


def default_metrics(frame: pd.DataFrame) -> list[str]:
    """The runs' Frechet distance, what they cover and M, as far as any run has them.

    Where modes are known these are the modes covered, the share of samples on them and the divergence from
    them; else the classes covered; and coverage by features.
    """
    known = measured(frame)
    of_modes = MODES_COVERED in known and frame[MODES_COVERED].notna()
    modes = (MODES_COVERED, HIGH_QUALITY, REVERSE_KL) if np.any(of_modes) else ()
    classes = () if np.all(of_modes) else (CLASSES_COVERED,)
    wanted = (*dict.fromkeys(frame["metric"]), *modes, *classes, COVERAGE, "M")
    return [name for name in wanted if name in known]


def summarise(
    selected: pd.DataFrame, last: pd.DataFrame, metrics: Sequence[str], baseline: str | None = None
) -> Summary:
    """Compare groups of runs.

    Parameters
    ----------
    selected : DataFrame
        Runs at the step that a rule selects, as :func:`bench.comparing.frame.results` gives them.
    last : DataFrame
        The same runs at their last evaluation (``select="last"``).
    metrics : sequence of str
        Columns to report.
    baseline : str, optional
        A group, or a variant that has one group only.

    Raises
    ------
    RequestError
        If no run is complete, a metric or the baseline does not exist, or a metric is not comparable.
    """
    complete, unfinished = _complete(selected)
    kept, copies = once_per_seed(with_groups(complete))
    known = list(dict.fromkeys([*measured(last), *measured(selected)]))
    for metric in metrics:
        if metric not in known:
            raise unknown("metric", metric, known)
    check(kept, metrics)
    groups = _groups(kept)
    if baseline is not None:
        baseline = _baseline(baseline, kept)
        groups = [baseline, *(group for group in groups if group != baseline)]
    last = last.set_index("run_id").reindex(kept["run_id"]).reset_index()
    rows, missing = [], []
    for metric in metrics:
        values, final = _values(kept, metric), _values(last, metric)
        for group in groups:
            members = kept[kept["group"] == group]
            if values[members.index].isna().all() and not is_diverged(members).all():
                missing.append(f"{metric} of {group}")
                continue
            rows.append(_row(metric, group, baseline, kept, values, final))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COUNTS, "Int64"))
    numbers = [name for name in COLUMNS[COLUMNS.index("mean") :] if name not in COUNTS]
    table = table.astype(dict.fromkeys(numbers, "float64"))
    rule = rule_named(str(kept["select"].iloc[0]))
    notes = [*_told(kept, rule), *_left_out(kept, unfinished, copies, missing, metrics)]
    return Summary(table, tuple(notes), rule, baseline)


def _complete(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The runs that count, and what the others are."""
    whole = is_complete(frame)
    others = frame[~whole]
    left_out = [f"{name} ({status})" for name, status in zip(others["name"], others["status"], strict=True)]
    if not whole.any():
        raise RequestError(
            "there is no finished run to compare"
            + (f": {', '.join(left_out[:5])}" if left_out else ": no run meets what was asked for")
        )
    return frame[whole].reset_index(drop=True), left_out


def _groups(frame: pd.DataFrame) -> list[str]:
    return list(frame.sort_values(["variant", "group"], kind="stable")["group"].unique())


def _baseline(word: str, frame: pd.DataFrame) -> str:
    groups = _groups(frame)
    if word in groups:
        return word
    of_variant = list(frame.loc[frame["variant"] == word, "group"].unique())
    if len(of_variant) == 1:
        return str(of_variant[0])
    if of_variant:
        raise RequestError(
            f"baseline {shown(word)} means {len(of_variant)} groups: give {' or '.join(of_variant)}"
        )
    raise unknown("baseline", word, {*groups, *frame["variant"]})


def _values(frame: pd.DataFrame, metric: str) -> pd.Series:
    """One value a run; missing where there is no finite one or the run diverged."""
    if metric not in frame:
        return pd.Series(np.nan, index=frame.index)
    return frame[metric].astype(float).where(np.isfinite(frame[metric].astype(float)) & ~is_diverged(frame))


def _row(
    metric: str, group: str, baseline: str | None, frame: pd.DataFrame, values: pd.Series, final: pd.Series
) -> dict[str, Any]:
    """One line of the table."""
    better = better_direction(metric)
    members = frame[frame["group"] == group]
    ours = values[members.index].dropna()
    row: dict[str, Any] = {"metric": metric, "better": better, "group": group, "runs": len(ours)}
    row |= {"diverged": int(is_diverged(members).sum()), "collapsed": int(is_collapsed(members).sum())}
    if len(ours):
        row["mean"] = statistics.mean(ours.to_numpy())
        row |= _centre("iqm", ours) | _centre("last_iqm", final[members.index].dropna())
    if baseline is None or group == baseline:
        return row
    others = frame[frame["group"] == baseline]
    theirs = values[others.index].dropna()
    by_seed = pd.DataFrame(
        {
            "ours": ours.set_axis(frame["seed"][ours.index]),
            "theirs": theirs.set_axis(frame["seed"][theirs.index]),
        }
    ).dropna()
    difference, interval = statistics.paired_difference(
        by_seed["ours"].to_numpy(), by_seed["theirs"].to_numpy()
    )
    row |= _with_interval("difference", difference, interval) | {"pairs": len(by_seed)}
    # a diverged run has no value, but any other run is better
    worst = float("-inf") if better == "higher" else float("inf")
    ranked = values.where(~is_diverged(frame), worst)
    probability, interval = statistics.probability_of_improvement(
        ranked[members.index].dropna().to_numpy(), ranked[others.index].dropna().to_numpy(), better
    )
    return row | _with_interval("improvement", probability, interval)


def _centre(name: str, values: pd.Series) -> dict[str, float | None]:
    if values.empty:
        return {}
    numbers = values.to_numpy()
    return _with_interval(name, statistics.interquartile_mean(numbers), statistics.interval(numbers))


def _with_interval(
    name: str, value: float | None, interval: statistics.Interval | None
) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def describe_data(frame: pd.DataFrame) -> str:
    """The data of runs in few words: names, sizes and hash prefixes."""
    data = frame[["dataset", "image_size", "data_hash"]].drop_duplicates()
    words = [data_words(label(name), size, digest) for name, size, digest in data.itertuples(index=False)]
    return ", ".join(words)


def _told(frame: pd.DataFrame, rule: SelectionRule) -> list[str]:
    """How the numbers came about."""
    lengths = frame.groupby("group")["steps"].agg(lambda steps: "/".join(f"{n:,}" for n in steps.unique()))
    same = lengths.nunique() == 1
    trained = f"{lengths.iloc[0]} steps" if same else ", ".join(f"{g} {n}" for g, n in lengths.items())
    notes = [
        rule.words,
        *(f"Protocol: {protocol}." for protocol in frame["protocol"].unique()),
        f"Data: {describe_data(frame)}. Trained for {trained}{'' if same else ' steps'}.",
        "IQM is the interquartile mean over seeds; brackets hold 95% percentile bootstrap intervals "
        f"({statistics.RESAMPLES:,} resamples), none below {statistics.MINIMUM_RUNS} runs.",
    ]
    # a frame may be a reader's own
    if "health_rules" in frame and frame["health_rules"].nunique(dropna=False) > 1:
        rules = frame["health_rules"].fillna("one not recorded").value_counts(sort=False)
        told = ", ".join(f"{name} ({count})" for name, count in rules.items())
        notes.append(f"The runs' health was judged by different rules, or by unknown ones (runs): {told}.")
    commits = [
        commit[:8] + "".join(commit.partition("+")[1:]) for commit in frame["commit"].dropna().unique()
    ]
    if len(commits) > 1:
        notes.append(f"The runs were made by {len(commits)} versions of the program: {', '.join(commits)}.")
    return notes


def _left_out(
    frame: pd.DataFrame, unfinished: list[str], copies: list[str], missing: list[str], metrics: Sequence[str]
) -> list[str]:
    """What has no number in the table, and why."""
    diverged = frame.loc[is_diverged(frame), ["name", "health"]]
    notes = []
    if len(diverged):
        told = ", ".join(f"{name} ({health})" for name, health in diverged.itertuples(index=False))
        notes.append(f"Diverged, and so without a value: {told}.")
    if unfinished:
        notes.append(f"Left out as not finished: {', '.join(unfinished)}.")
    if copies:
        notes.append(f"Left out for a newer run of the same group and seed: {', '.join(copies)}.")
    if missing:
        notes.append(f"Not measured: {', '.join(missing)}.")
    for metric in metrics:
        without = frame[_values(frame, metric).isna() & ~is_diverged(frame)]
        some = [g for g in without["group"].unique() if f"{metric} of {g}" not in missing]
        names = list(without.loc[without["group"].isin(some), "name"])
        if names:
            notes.append(f"Without a finite {metric}: {', '.join(names)}.")
    return notes
