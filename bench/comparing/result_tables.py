"""The tables of compared groups of runs: one table a metric, or all numbers of a group in one line."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.comparing.group_results import Estimate, GroupResult
from bench.comparing.numbers import MISSING, decimals, number, with_interval, with_range
from bench.comparing.rendering import Tables, TextTable
from bench.comparing.sections import Section
from bench.comparing.statistics import CONFIDENCE
from bench.comparing.summary import Summary

_RATES = (
    "Beside the collapsed runs stands the exact interval of their rate (Clopper-Pearson), which at any "
    "number of runs covers the true rate with a probability of at least 0.95."
)


def of_summary(summary: Summary) -> Tables:
    """Return the tables of the groups of one data set, one per metric."""
    return of_sections([Section("", summary)])


def of_sections(sections: Sequence[Section]) -> Tables:
    """Return the tables of several data sets, one per data set and metric.

    Parameters
    ----------
    sections : sequence of Section
        At least one. The tables of several name their section.
    """
    several = len(sections) > 1
    texts = tuple(
        _metric_table(section.summary, metric, section.heading if several else "")
        for section in sections
        for metric in section.summary.metrics
    )
    return Tables(texts, _frame(sections), (*_notes(sections), _RATES))


def wide(sections: Sequence[Section]) -> Tables:
    """Return one table with a line per group: data sets and metrics stand side by side.

    Parameters
    ----------
    sections : sequence of Section
        At least one. Groups of the same name in several sections share a line.
    """
    results = [result for section in sections for result in section.summary.results]
    groups = list(dict.fromkeys(result.group for result in results))
    several = len({result.metric for result in results}) > 1
    blocks = [_Block("", ["group"], [groups])]
    for section in sections:
        data = [section.heading] if len(sections) > 1 else []
        of_section = [
            _block(section.summary, metric, groups, ": ".join([*data, *[metric] * several]))
            for metric in section.summary.metrics
        ]
        collapsed = [_collapsed(section.summary, group) for group in groups]
        if several or not of_section:
            of_section.append(_Block(": ".join(data), ["collapsed"], [collapsed]))
        else:
            of_section[0].header.append("collapsed")
            of_section[0].columns.append(collapsed)
        blocks += of_section
    text = TextTable(
        _captions(sections),
        tuple(word for block in blocks for word in block.header),
        tuple(zip(*(column for block in blocks for column in block.columns), strict=True)),
        spans=tuple((block.label, len(block.header)) for block in blocks),
    )
    return Tables((text,), _frame(sections), (*_notes(sections), *_rates(results)))


@dataclass(frozen=True)
class _Block:
    """Columns under one label: their headings, and of each the cells."""

    label: str
    header: list[str]
    columns: list[list[str]]


def _block(summary: Summary, metric: str, groups: Sequence[str], label: str) -> _Block:
    """Return the columns of one metric on one data set; a dash for groups that lack it."""
    results = {result.group: result for result in summary.of_metric(metric)}
    header, rows = _numbers([*results.values()], summary, f"[{CONFIDENCE:.0%}]")
    of_groups = dict(zip(results, rows, strict=True))
    cells = [of_groups.get(group, [MISSING] * len(header)) for group in groups]
    return _Block(label, header, [list(column) for column in zip(*cells, strict=True)])


def _collapsed(summary: Summary, group: str) -> str:
    result = next((each for each in summary.results if each.group == group), None)
    if result is None:
        return MISSING
    diverged = f", {result.diverged} diverged" if result.diverged else ""
    return f"{_collapse(result)}{diverged}"


def _collapse(result: GroupResult) -> str:
    """Return how many runs of a group collapsed, as text."""
    return "not judged" if result.collapsed is None else f"{result.collapsed} of {result.complete}"


def _rates(results: Sequence[GroupResult]) -> list[str]:
    """Note with the exact interval of each rate of collapse in a table."""
    found = {
        (each.collapsed, each.complete): each.collapse_interval
        for each in results
        if each.collapsed is not None and each.collapse_interval is not None
    }
    rates = [f"{k} of {n}: [{low:.2f}, {high:.2f}]" for (k, n), (low, high) in sorted(found.items())]
    return (
        [f"Exact 95% intervals of the rates of collapse (Clopper-Pearson): {'; '.join(rates)}."]
        if rates
        else []
    )


def _captions(sections: Sequence[Section]) -> str:
    """Name all metrics, with their directions and the moment of their values."""
    moments: dict[str, dict[str, None]] = {}
    for section in sections:
        summary = section.summary
        for metric in summary.metrics:
            moments.setdefault(summary.moments[metric], {})[_directed(summary, metric)] = None
    return "; ".join(f"{', '.join(names)}, {moment}" for moment, names in moments.items())


def _directed(summary: Summary, metric: str) -> str:
    return f"{metric} ({summary.of_metric(metric)[0].better} is better)"


def _frame(sections: Sequence[Section]) -> pd.DataFrame:
    return pd.concat([section.summary.table for section in sections], ignore_index=True)


def _notes(sections: Sequence[Section]) -> list[str]:
    """Return the notes that all sections share, each once, and the others with the name of their section."""
    of_sections = [(section.heading, _notes_of(section.summary)) for section in sections]
    shared = [note for note in of_sections[0][1] if all(note in notes for _, notes in of_sections)]
    own = [f"{heading}: {note}" for heading, notes in of_sections for note in notes if note not in shared]
    return [*shared, *own]


def _notes_of(summary: Summary) -> list[str]:
    if summary.baseline is None:
        return [*summary.notes]
    differences = [result.difference for result in summary.results if result.difference]
    resampled = ", resampled in pairs" if any(each.interval for each in differences) else ""
    return [
        *summary.notes,
        f"Differences to {summary.baseline} are of interquartile means over shared seeds{resampled}; "
        f"P(better) is the probability that a run is better than one of {summary.baseline}, over "
        "all pairs of runs; ties count half, a diverged run as worse than any other.",
    ]


def _metric_table(summary: Summary, metric: str, heading: str) -> TextTable:
    results = summary.of_metric(metric)
    header, numbers = _numbers(results, summary, f"[{CONFIDENCE:.0%} bootstrap]")
    rows = []
    for result, cells in zip(results, numbers, strict=True):
        runs = str(result.iqm.count) + (f" + {result.diverged} diverged" if result.diverged else "")
        interval = result.collapse_interval
        exact = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
        collapsed = f"{_collapse(result)}{exact}"
        rows.append((result.group, runs, collapsed, *cells))
    caption = f"{_directed(summary, metric)}, {summary.moments[metric]}"
    return TextTable(caption, ("group", "runs", "collapsed\n[exact]", *header), tuple(rows), heading)


def _numbers(
    results: Sequence[GroupResult], summary: Summary, interval: str
) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the columns of one metric, and the cells of each group."""
    selects, baseline = summary.rule.name != "last", summary.baseline
    header = ["mean", _headed("IQM", [r.iqm for r in results], interval)]
    if selects:
        header += ["mean\nat the end", _headed("IQM at the end", [r.last_iqm for r in results], interval)]
    if baseline is not None:
        differences = [r.difference for r in results]
        header.append(_headed(f"difference to\n{baseline}", differences, interval, " "))
        improvements = [r.improvement for r in results]
        header.append(_headed(f"P(better than\n{baseline})", improvements, interval, " "))
    rows = []
    for result in results:
        cells = [_mean(result.mean, result.iqm), spread(result.iqm)]
        if selects:
            cells += [_mean(result.last_mean, result.last_iqm), spread(result.last_iqm)]
        if baseline is not None:
            improvement = result.improvement or Estimate(0)
            cells.append(spread(result.difference or Estimate(0), sign=True))
            cells.append(with_interval(improvement.value, improvement.interval, places=2))
        rows.append(cells)
    return header, rows


def _headed(title: str, estimates: Sequence[Estimate | None], interval: str, between: str = "\n") -> str:
    """Heading of a column, with the kinds of uncertainty beside its numbers: intervals, ranges or both."""
    kinds = []
    if any(each and each.interval for each in estimates):
        kinds.append(interval)
    if any(each and each.extent and not each.interval for each in estimates):
        kinds.append("(range)")
    return title + (between + " or ".join(kinds) if kinds else "")


def _mean(mean: float | None, beside: Estimate) -> str:
    """The mean with as many decimals as the interquartile mean beside it."""
    bounds = beside.interval or beside.extent
    places = None if beside.value is None or bounds is None else decimals(beside.value, bounds)
    return number(mean, places)


def spread(estimate: Estimate, sign: bool = False) -> str:
    """A number with its interval, or with the range of its runs where they are too few for an interval.

    Parameters
    ----------
    estimate : Estimate
        The number.
    sign : bool
        Whether a positive number has a sign.
    """
    if estimate.value is not None and estimate.extent is not None and estimate.interval is None:
        return with_range(estimate.value, estimate.extent, sign)
    return with_interval(estimate.value, estimate.interval, sign)
