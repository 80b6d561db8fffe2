"""The numbers of a group of runs, and the columns in which CSV, JSON and Parquet hold them."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.comparing.statistics import Interval
from bench.judging.protocol import Better


@dataclass(frozen=True)
class Estimate:
    """A number over several runs, with its uncertainty.

    Attributes
    ----------
    count : int
        Runs, pairs of runs of one seed, or runs of the smaller of two sides that the number is over.
    value : float or None
        The number; None where there are no runs.
    interval : (float, float) or None
        Nominal 95 % bootstrap interval; None below :data:`bench.comparing.statistics.MINIMUM_RUNS`.
    coverage : float or None
        Lowest measured coverage of such an interval; None without one.
    extent : (float, float) or None
        Lowest and highest of the values; None below two, and for a probability.
    """

    count: int
    value: float | None = None
    interval: Interval | None = None
    coverage: float | None = None
    extent: Interval | None = None


# Columns of the table of results, which CSV, JSON and Parquet hold, with their types.
COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("metric", "better", "group", "dataset", "data_hash"), "object"),
    "image_size": "Int64",
    **dict.fromkeys(("runs", "diverged", "collapsed", "complete"), "Int64"),
    **dict.fromkeys(("collapse_rate", "collapse_low", "collapse_high", "mean"), "float64"),
    **dict.fromkeys(("iqm", "iqm_low", "iqm_high", "iqm_coverage", "lowest", "highest"), "float64"),
    **dict.fromkeys(("last_mean", "last_iqm", "last_iqm_low", "last_iqm_high"), "float64"),
    "last_runs": "Int64",
    **dict.fromkeys(("last_lowest", "last_highest"), "float64"),
    **dict.fromkeys(("difference", "difference_low", "difference_high", "difference_coverage"), "float64"),
    **dict.fromkeys(("difference_lowest", "difference_highest"), "float64"),
    "pairs": "Int64",
    **dict.fromkeys(("improvement", "improvement_low", "improvement_high"), "float64"),
    "improvement_coverage": "float64",
    "improvement_runs": "Int64",
}


@dataclass(frozen=True)
class GroupResult:
    """One metric of one group of runs.

    Attributes
    ----------
    metric, better, group : str
        The metric, whether lower or higher is better, and the group.
    dataset, data_hash : str
        The data set, and the hash of its samples.
    image_size : int or None
        Side of its images in pixels; None for points.
    diverged, complete : int
        Runs without a value since they diverged; all runs.
    collapsed : int or None
        Runs that ended collapsed; None for runs without a judge.
    collapse_interval : (float, float) or None
        Exact 95 % interval of the rate of collapse; None without a judge.
    mean, last_mean : float or None
        At the selected step, and at the last evaluation; None without a run that has a value.
    iqm, last_iqm : Estimate
        Interquartile means at the selected step, and at the last evaluation.
    difference : Estimate or None
        Difference to the baseline over shared seeds; None without a baseline and for it.
    improvement : Estimate or None
        Probability that a run of the group is better than one of the baseline, diverged runs being worse
        than all others; None as above.
    """

    metric: str
    better: Better
    group: str
    dataset: str
    data_hash: str
    image_size: int | None
    diverged: int
    collapsed: int | None
    complete: int
    collapse_interval: Interval | None
    mean: float | None
    iqm: Estimate
    last_mean: float | None
    last_iqm: Estimate
    difference: Estimate | None
    improvement: Estimate | None

    def columns(self) -> dict[str, str | float | None]:
        """Values by the names of :data:`COLUMNS`."""
        difference, improvement = self.difference or Estimate(0), self.improvement or Estimate(0)
        low, high = self.collapse_interval or (None, None)
        return {
            "metric": self.metric,
            "better": self.better,
            "group": self.group,
            "dataset": self.dataset,
            "data_hash": self.data_hash,
            "image_size": self.image_size,
            "runs": self.iqm.count,
            "diverged": self.diverged,
            "collapsed": self.collapsed,
            "complete": self.complete,
            "collapse_rate": None if self.collapsed is None else self.collapsed / self.complete,
            "collapse_low": low,
            "collapse_high": high,
            "mean": self.mean,
            **_with_interval("iqm", self.iqm),
            "iqm_coverage": self.iqm.coverage,
            **_extent("", self.iqm),
            "last_mean": self.last_mean,
            **_with_interval("last_iqm", self.last_iqm),
            "last_runs": self.last_iqm.count or None,
            **_extent("last_", self.last_iqm),
            **_with_interval("difference", difference),
            "difference_coverage": difference.coverage,
            **_extent("difference_", difference),
            "pairs": None if self.difference is None else difference.count,
            **_with_interval("improvement", improvement),
            "improvement_coverage": improvement.coverage,
            "improvement_runs": None if self.improvement is None else improvement.count,
        }


def _with_interval(name: str, estimate: Estimate) -> dict[str, float | None]:
    low, high = estimate.interval or (None, None)
    return {name: estimate.value, f"{name}_low": low, f"{name}_high": high}


def _extent(prefix: str, estimate: Estimate) -> dict[str, float | None]:
    low, high = estimate.extent or (None, None)
    return {f"{prefix}lowest": low, f"{prefix}highest": high}
