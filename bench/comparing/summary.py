"""Results of groups of runs in numbers: centres, intervals and comparisons with a baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bench.comparing import statistics
from bench.comparing.absent_metrics import absent_metric
from bench.comparing.columns import comparable_columns
from bench.comparing.comparable import require_comparable
from bench.comparing.defaults import OF_ALL, OF_CLASSES, OF_KNOWN_MODES
from bench.comparing.group_results import COLUMNS, Estimate, GroupResult
from bench.comparing.groups import (
    has_judge,
    is_collapsed,
    is_complete,
    is_diverged,
    once_per_seed,
    with_groups,
)
from bench.comparing.measured import better_of
from bench.comparing.notes import LeftOut, notes_of
from bench.comparing.scalars import all_of, first_selecting, selecting, selecting_scalar
from bench.comparing.selection import SelectionRule, rule_named
from bench.comparing.smoothing import steps_of_mean
from bench.judging.protocol import Better
from bench.system.errors import RequestError, shown, unknown


@dataclass(frozen=True)
class Summary:
    """Groups of runs, compared.

    Attributes
    ----------
    results : tuple of GroupResult
        One per metric and group: metrics as asked for, the baseline first, other groups by name.
    notes : tuple of str
        What a reader must know: selection, protocol, data, resampling, and what was left out.
    rule : SelectionRule
        How each run's step was selected.
    baseline : str or None
        The group that others are compared with.
    moments : mapping
        Of each metric, what part of a run its values are of, such as "last evaluation".
    """

    results: tuple[GroupResult, ...]
    notes: tuple[str, ...]
    rule: SelectionRule
    baseline: str | None
    moments: Mapping[str, str]

    @property
    def metrics(self) -> list[str]:
        """The metrics, in order."""
        return list(dict.fromkeys(result.metric for result in self.results))

    def of_metric(self, metric: str) -> list[GroupResult]:
        """The results of one metric, a group each."""
        return [result for result in self.results if result.metric == metric]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per metric and group, with the columns :data:`COLUMNS`; missing where there is none."""
        rows = [result.columns() for result in self.results]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict(COLUMNS))


def default_metrics(frame: pd.DataFrame) -> list[str]:
    """Return the metrics that are reported unless others are asked for, as far as any run has them.

    They are those of :data:`bench.comparing.defaults.DEFAULT_METRICS`.
    """
    known = comparable_columns(frame)
    covered = OF_KNOWN_MODES[0]
    of_modes = covered in known and frame[covered].notna()
    modes = OF_KNOWN_MODES if np.any(of_modes) else ()
    classes = () if np.all(of_modes) else OF_CLASSES
    wanted = dict.fromkeys((*frame["metric"], *modes, *classes, *OF_ALL, *first_selecting(frame)))
    return [name for name in wanted if name in known]


def direction(frame: pd.DataFrame, metric: str) -> Better:
    """Direction of better values of a metric, or of a scalar that the runs declare.

    Raises
    ------
    ValueError
        If the name is neither.
    """
    scalar = selecting_scalar(frame, metric)
    return better_of(metric, frame) if scalar is None or scalar.better is None else scalar.better


def summarise(
    selected: pd.DataFrame, last: pd.DataFrame, metrics: Sequence[str], baseline: str | None = None
) -> Summary:
    """Compare groups of runs.

    Parameters
    ----------
    selected : DataFrame
        Runs at the step that a rule selects, as returned by :func:`bench.comparing.frame.results`.
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
    known = list(dict.fromkeys([*comparable_columns(last), *comparable_columns(selected)]))
    for metric in metrics:
        if metric not in known:
            raise absent_metric(metric, selected, known)
    require_comparable(kept, metrics)
    groups = _groups(kept)
    if baseline is not None:
        baseline = _baseline(baseline, kept)
        groups = [baseline, *(group for group in groups if group != baseline)]
    last = last.set_index("run_id").reindex(kept["run_id"]).reset_index()
    results, missing, without = [], [], {}
    for metric in metrics:
        values, final = _values(kept, metric), _values(last, metric)
        measured = [group for group in groups if _has_values(kept, group, values)]
        missing += [f"{metric} of {group}" for group in groups if group not in measured]
        results += [_result(metric, group, baseline, kept, values, final) for group in measured]
        valueless = values.isna() & ~is_diverged(kept) & kept["group"].isin(measured)
        without[metric] = list(kept.loc[valueless, "name"])
    rule = rule_named(str(kept["select"].iloc[0]), selecting(all_of(kept)))
    moments = {metric: _moment(metric, kept, rule) for metric in metrics}
    summary = Summary(tuple(results), (), rule, baseline, moments)
    notes = notes_of(summary.table, kept, rule, LeftOut(unfinished, copies, missing, without))
    return replace(summary, notes=tuple(notes))


def _moment(metric: str, kept: pd.DataFrame, rule: SelectionRule) -> str:
    """Say what part of a run the values of a metric are of."""
    step = "last evaluation" if rule.name == "last" else f"step selected by {rule.name}"
    scalar = selecting_scalar(kept, metric)
    if scalar is None:
        return step
    if metric != scalar.name:
        return "best mean between two checkpoints"
    windows = {steps_of_mean(int(steps)) for steps in kept["steps"]}
    if windows == {1}:
        return step
    (count, *others) = windows
    span = "last hundredth of each run's steps" if others else f"{count:,} steps"
    return f"mean of the {span} up to the {step}"


def _complete(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the runs that count, and the names of the others with their status."""
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


def _baseline(name: str, frame: pd.DataFrame) -> str:
    """Return the group of that name, or the only group of the variant of that name."""
    groups = _groups(frame)
    if name in groups:
        return name
    of_variant = list(frame.loc[frame["variant"] == name, "group"].unique())
    if len(of_variant) == 1:
        return str(of_variant[0])
    if of_variant:
        raise RequestError(
            f"baseline {shown(name)} means {len(of_variant)} groups: give {' or '.join(of_variant)}"
        )
    raise unknown("baseline", name, {*groups, *frame["variant"]})


def _values(frame: pd.DataFrame, metric: str) -> pd.Series:
    """Return one value per run; missing where there is no finite one or the run diverged."""
    if metric not in frame:
        return pd.Series(np.nan, index=frame.index)
    return frame[metric].astype(float).where(np.isfinite(frame[metric].astype(float)) & ~is_diverged(frame))


def _has_values(frame: pd.DataFrame, group: str, values: pd.Series) -> bool:
    """Whether a run of the group has a value, or all of them diverged."""
    members = frame[frame["group"] == group]
    return bool(values[members.index].notna().any() or is_diverged(members).all())


def _result(
    metric: str, group: str, baseline: str | None, frame: pd.DataFrame, values: pd.Series, final: pd.Series
) -> GroupResult:
    members = frame[frame["group"] == group]
    ours, at_end = values[members.index].dropna(), final[members.index].dropna()
    collapsed = int(is_collapsed(members).sum()) if has_judge(members).all() else None
    rate = None if collapsed is None else statistics.rate_interval(collapsed, len(members))
    compared = baseline is not None and group != baseline
    others = frame[frame["group"] == baseline]
    return GroupResult(
        metric,
        direction(frame, metric),
        group,
        dataset=str(members["dataset"].iloc[0]),
        data_hash=str(members["data_hash"].iloc[0]),
        image_size=None if pd.isna(members["image_size"].iloc[0]) else int(members["image_size"].iloc[0]),
        diverged=int(is_diverged(members).sum()),
        collapsed=collapsed,
        complete=len(members),
        collapse_interval=rate,
        mean=statistics.mean(ours.to_numpy()) if len(ours) else None,
        iqm=_centre(ours),
        last_mean=statistics.mean(at_end.to_numpy()) if len(at_end) else None,
        last_iqm=_centre(at_end),
        difference=_difference(members, others, values) if compared else None,
        improvement=_improvement(metric, frame, members, others, values) if compared else None,
    )


def _centre(values: pd.Series) -> Estimate:
    """Interquartile mean of one value per run."""
    if not len(values):
        return Estimate(0)
    numbers = values.to_numpy()
    return Estimate(
        len(numbers),
        statistics.interquartile_mean(numbers),
        statistics.interval(numbers),
        _coverage("iqm", len(numbers)),
        statistics.extent(numbers),
    )


def _difference(members: pd.DataFrame, others: pd.DataFrame, values: pd.Series) -> Estimate:
    """Difference to the baseline over shared seeds."""
    sides = {
        name: values[side.index].set_axis(side["seed"]).dropna()
        for name, side in (("ours", members), ("theirs", others))
    }
    by_seed = pd.DataFrame(sides).dropna()
    ours, theirs = by_seed["ours"].to_numpy(), by_seed["theirs"].to_numpy()
    difference, interval = statistics.paired_difference(ours, theirs)
    coverage = _coverage("difference", len(by_seed))
    return Estimate(len(by_seed), difference, interval, coverage, statistics.extent(ours - theirs))


def _improvement(
    metric: str, frame: pd.DataFrame, members: pd.DataFrame, others: pd.DataFrame, values: pd.Series
) -> Estimate:
    """Probability that a run of the group is better than one of the baseline."""
    better = direction(frame, metric)
    # a diverged run has no value, but any other run is better
    worst = float("-inf") if better == "higher" else float("inf")
    ranked = values.where(~is_diverged(frame), worst)
    first, second = (ranked[side.index].dropna().to_numpy() for side in (members, others))
    probability, interval = statistics.probability_of_improvement(first, second, better)
    count = min(len(first), len(second))
    return Estimate(count, probability, interval, _coverage("improvement", count))


def _coverage(kind: str, count: int) -> float | None:
    measured = statistics.coverage(kind, count)
    return None if measured is None else measured[0]
