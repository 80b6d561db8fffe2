"""Results of groups of runs in numbers: centres, intervals and comparisons with a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.comparing import statistics
from bench.comparing.caveats import caveats
from bench.comparing.comparable import check, data_words
from bench.comparing.frame import measured
from bench.comparing.groups import is_collapsed, is_complete, is_diverged, once_per_seed, with_groups
from bench.comparing.selection import SelectionRule, rule_named
from bench.datasets import label
from bench.judging.metrics import better_direction
from bench.judging.metrics.classes import CLASSES_COVERED
from bench.judging.metrics.density_coverage import COVERAGE
from bench.judging.metrics.modes import HIGH_QUALITY, MODES_COVERED, REVERSE_KL
from bench.system.errors import RequestError, shown, unknown

COLUMNS = (
    "metric",
    "better",
    "group",
    "runs",
    "diverged",
    "collapsed",
    "complete",
    "collapse_rate",
    "collapse_low",
    "collapse_high",
    "mean",
    "iqm",
    "iqm_low",
    "iqm_high",
    "iqm_coverage",
    "lowest",
    "highest",
    "last_mean",
    "last_iqm",
    "last_iqm_low",
    "last_iqm_high",
    "last_runs",
    "last_lowest",
    "last_highest",
    "difference",
    "difference_low",
    "difference_high",
    "difference_coverage",
    "difference_lowest",
    "difference_highest",
    "pairs",
    "improvement",
    "improvement_low",
    "improvement_high",
    "improvement_coverage",
    "improvement_runs",
)
COUNTS = ("runs", "diverged", "collapsed", "complete", "last_runs", "pairs", "improvement_runs")


@dataclass(frozen=True)
class Summary:
    """Groups of runs, compared.

    Attributes
    ----------
    table : DataFrame
        One row a metric and group, metrics as asked for, the baseline first, else by name. Columns
        :data:`COLUMNS`: ``better`` is lower or higher; ``runs`` counts runs with a value, ``diverged``
        those that have none for that reason; ``collapsed`` counts all that ended collapsed of ``complete``
        ones, ``collapse_rate`` is their share, with its exact 95 % interval; ``mean`` and ``iqm``, the
        interquartile mean, are at the selected step, the latter with its nominal 95 % bootstrap interval and
        the lowest coverage that was measured for so many runs, ``lowest`` and ``highest`` are the range of
        the runs; names that begin with ``last_`` are of the last evaluation; ``difference`` to the baseline
        over ``pairs`` shared seeds, with the range of the seeds' differences; ``improvement`` is the
        probability that a run of the group is better than one of the baseline, and ``improvement_runs`` the
        runs of the side with fewer, diverged ones among them. Missing where there is
        none: bootstrap intervals below :data:`bench.comparing.statistics.MINIMUM_RUNS` runs, ranges below
        two, comparisons without a baseline and for it.
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
    numbers = [name for name in COLUMNS[COLUMNS.index("complete") :] if name not in COUNTS]
    table = table.astype(dict.fromkeys(numbers, "float64"))
    rule = rule_named(str(kept["select"].iloc[0]))
    notes = [
        *_told(kept, rule),
        *_intervals(table),
        *caveats(kept),
        *_left_out(kept, unfinished, copies, missing, metrics),
    ]
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
    row |= {"diverged": int(is_diverged(members).sum()), **_collapses(members)}
    if len(ours):
        row |= {"mean": statistics.mean(ours.to_numpy()), **_centre("iqm", ours), **_range("", ours)}
        row["iqm_coverage"] = _coverage("iqm", len(ours))
    at_end = final[members.index].dropna()
    if len(at_end):
        row |= {"last_mean": statistics.mean(at_end.to_numpy()), "last_runs": len(at_end)}
        row |= _centre("last_iqm", at_end) | _range("last_", at_end)
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
    row |= _range("difference_", by_seed["ours"] - by_seed["theirs"])
    row["difference_coverage"] = _coverage("difference", len(by_seed))
    # a diverged run has no value, but any other run is better
    worst = float("-inf") if better == "higher" else float("inf")
    ranked = values.where(~is_diverged(frame), worst)
    first, second = (ranked[side.index].dropna().to_numpy() for side in (members, others))
    probability, interval = statistics.probability_of_improvement(first, second, better)
    row["improvement_runs"] = min(len(first), len(second))
    row["improvement_coverage"] = _coverage("improvement", row["improvement_runs"])
    return row | _with_interval("improvement", probability, interval)


def _collapses(members: pd.DataFrame) -> dict[str, float]:
    """How many runs of a group collapsed, with the rate and its exact interval."""
    count, total = int(is_collapsed(members).sum()), len(members)
    low, high = statistics.rate_interval(count, total)
    rate = {"collapse_rate": count / total, "collapse_low": low, "collapse_high": high}
    return {"collapsed": count, "complete": total, **rate}


def _centre(name: str, values: pd.Series) -> dict[str, float | None]:
    numbers = values.to_numpy()
    return _with_interval(name, statistics.interquartile_mean(numbers), statistics.interval(numbers))


def _range(prefix: str, values: pd.Series) -> dict[str, float | None]:
    low, high = statistics.extent(values.to_numpy()) or (None, None)
    return {f"{prefix}lowest": low, f"{prefix}highest": high}


def _coverage(kind: str, count: int) -> float | None:
    measured_coverage = statistics.coverage(kind, count)
    return None if measured_coverage is None else measured_coverage[0]


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


def _intervals(table: pd.DataFrame) -> list[str]:
    """What the centres and the intervals of a table are."""
    least = statistics.MINIMUM_RUNS
    notes = [
        "IQM is the interquartile mean over seeds: of n runs it leaves out the int(n / 4) lowest and as many "
        "of the highest, and with them, of five, a single collapsed run; the mean has every run."
    ]
    cells = [
        ("IQM", "iqm", table["runs"]),
        ("difference", "difference", table["pairs"]),
        ("P(better)", "improvement", table["improvement_runs"]),
    ]
    measured_ones = []
    for name, kind, counts in cells:
        covers = table[f"{kind}_coverage"]
        if covers.notna().any():
            of_counts = [
                f"{_share(kind, count)} at n = {count}" for count in sorted(set(counts[covers.notna()]))
            ]
            measured_ones.append(f"{name} {', '.join(of_counts)}")
    if measured_ones:
        notes.append(
            f"Brackets hold {statistics.METHOD} intervals ({statistics.RESAMPLES:,} resamples), nominally of "
            f"{statistics.CONFIDENCE:.0%}; their measured coverage is {'; '.join(measured_ones)} (lowest to "
            "highest of three simulated populations, benchmarks/interval_coverage.py)."
        )
    if (table["iqm"].notna() & table["iqm_low"].isna() & (table["runs"] > 1)).any():
        notes.append(
            "Parentheses hold the range of the runs, which is no confidence interval: fewer than "
            f"{least} runs are too few for one."
        )
    notes.append(
        "Beside the collapsed runs stands the exact interval of their rate (Clopper-Pearson), which at any "
        "number of runs covers the true rate with a probability of at least 0.95."
    )
    return notes


def _share(kind: str, count: int) -> str:
    low, high = statistics.coverage(kind, int(count)) or (0.0, 0.0)
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


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
