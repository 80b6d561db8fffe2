"""Notes below a table of results: how the numbers came about, and what has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.comparing import statistics
from bench.comparing.caveats import caveats
from bench.comparing.columns import knob_columns
from bench.comparing.comparable import data_label
from bench.comparing.groups import has_judge, is_diverged
from bench.comparing.selection import SelectionRule
from bench.datasets import label


@dataclass(frozen=True)
class LeftOut:
    """What has no number in a table.

    Attributes
    ----------
    unfinished : sequence of str
        Runs without an end that counts, with their status.
    copies : sequence of str
        Runs that have a newer one of the same group and seed.
    missing : sequence of str
        Metrics that a whole group lacks, such as ``coverage of another-gan``.
    without : mapping
        Metric to the runs without a finite value of it, in groups that have one.
    """

    unfinished: Sequence[str]
    copies: Sequence[str]
    missing: Sequence[str]
    without: Mapping[str, Sequence[str]]


def notes_of(table: pd.DataFrame, runs: pd.DataFrame, rule: SelectionRule, left_out: LeftOut) -> list[str]:
    """Return all notes of a table.

    Parameters
    ----------
    table : DataFrame
        The results, as :attr:`bench.comparing.summary.Summary.table`.
    runs : DataFrame
        The runs of the table, with the column ``group``.
    rule : SelectionRule
        How each run's step was selected.
    left_out : LeftOut
        What the table does not have.
    """
    return [
        *_provenance(runs, rule),
        *_settings(runs),
        *_intervals(table),
        *caveats(runs),
        *_absences(runs, left_out),
    ]


def describe_data(frame: pd.DataFrame) -> str:
    """Names, image sizes and hash prefixes of the data of runs."""
    data = frame[["dataset", "image_size", "data_hash"]].drop_duplicates()
    labels = [data_label(label(name), size, digest) for name, size, digest in data.itertuples(index=False)]
    return ", ".join(labels)


def _provenance(frame: pd.DataFrame, rule: SelectionRule) -> list[str]:
    """Selection, protocol, data, lengths, rules of health and versions of the program."""
    lengths = frame.groupby("group")["steps"].agg(lambda steps: "/".join(f"{n:,}" for n in steps.unique()))
    same = lengths.nunique() == 1
    trained = f"{lengths.iloc[0]} steps" if same else ", ".join(f"{g} {n}" for g, n in lengths.items())
    notes = [
        rule.description,
        *(f"Protocol: {protocol}." for protocol in frame["protocol"].unique() if protocol),
        f"Data: {describe_data(frame)}. Trained for {trained}{'' if same else ' steps'}.",
    ]
    # a frame may be a reader's own
    if "health_rules" in frame and frame["health_rules"].nunique(dropna=False) > 1:
        rules = frame["health_rules"].fillna("one not recorded").value_counts(sort=False)
        counts = ", ".join(f"{name} ({count})" for name, count in rules.items())
        notes.append(f"The runs' health was judged by different rules, or by unknown ones (runs): {counts}.")
    commits = [
        commit[:8] + "".join(commit.partition("+")[1:]) for commit in frame["commit"].dropna().unique()
    ]
    if len(commits) > 1:
        notes.append(f"The runs were made by {len(commits)} versions of the program: {', '.join(commits)}.")
    return notes


def _settings(frame: pd.DataFrame) -> list[str]:
    """Knobs that all groups have, in which they differ, and which their names do not tell."""
    names = list(frame["group"].unique())
    differing = []
    for knob in knob_columns(frame):
        if knob == "steps":
            # told beside the data
            continue
        values = frame.groupby("group", sort=False)[knob].first()[names]
        # the name of a group tells the knobs in which groups of one variant differ
        if values.notna().all() and values.nunique() > 1 and not any(f"{knob}=" in name for name in names):
            differing.append(f"{knob} {' / '.join(map(str, values))}")
    if not differing:
        return []
    return [f"Beside what their names say, {' / '.join(names)} differ in: {', '.join(differing)}."]


def _intervals(table: pd.DataFrame) -> list[str]:
    """Meaning of the centres and of the intervals."""
    notes = [
        "IQM is the interquartile mean over seeds: of n runs it leaves out the int(n / 4) lowest and as many "
        "of the highest, and with them, of five, a single collapsed run; the mean has every run."
    ]
    coverages = []
    for name, kind, counts in (
        ("IQM", "iqm", table["runs"]),
        ("difference", "difference", table["pairs"]),
        ("P(better)", "improvement", table["improvement_runs"]),
    ):
        here = sorted(set(counts[table[f"{kind}_coverage"].notna()]))
        if here:
            coverages.append(f"{name} {', '.join(f'{_coverage(kind, n)} at n = {n}' for n in here)}")
    if coverages:
        notes.append(
            f"Brackets hold {statistics.METHOD} intervals ({statistics.RESAMPLES:,} resamples), nominally of "
            f"{statistics.CONFIDENCE:.0%}; their measured coverage is {'; '.join(coverages)} (lowest to "
            "highest of three simulated populations, benchmarks/interval_coverage.py)."
        )
    if (table["iqm"].notna() & table["iqm_low"].isna() & (table["runs"] > 1)).any():
        notes.append(
            "Parentheses hold the range of the runs, which is no confidence interval: fewer than "
            f"{statistics.MINIMUM_RUNS} runs are too few for one."
        )
    return notes


def _coverage(kind: str, count: int) -> str:
    low, high = statistics.coverage(kind, int(count)) or (0.0, 0.0)
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


def _absences(frame: pd.DataFrame, left_out: LeftOut) -> list[str]:
    """What has no number in the table, and why."""
    unseen = frame.loc[~has_judge(frame), "group"].unique()
    diverged = frame.loc[is_diverged(frame), ["name", "health"]]
    listed = ", ".join(f"{name} ({health})" for name, health in diverged.itertuples(index=False))
    notes = [
        f"{reason}: {names}."
        for reason, names in (
            ("Diverged, and so without a value", listed),
            ("Left out as not finished", ", ".join(left_out.unfinished)),
            ("Left out for a newer run of the same group and seed", ", ".join(left_out.copies)),
            ("Not measured", ", ".join(left_out.missing)),
            (
                "Not judged (extractor none), so that a collapse is not seen; bench eval RUN --extractor "
                "NAME measures a run",
                ", ".join(unseen),
            ),
        )
        if names
    ]
    for metric, names in left_out.without.items():
        if names:
            notes.append(f"Without a finite {metric}: {', '.join(names)}.")
    return notes
