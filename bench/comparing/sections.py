"""Runs on several data sets: one section each, since their numbers are not comparable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.comparing.absent_metrics import absent_metric
from bench.comparing.columns import comparable_columns
from bench.comparing.groups import is_complete, with_groups
from bench.comparing.numbers import listed
from bench.comparing.summary import Summary, default_metrics, summarise
from bench.datasets import label
from bench.system.errors import RequestError, unknown


@dataclass(frozen=True)
class DataPart:
    """The runs on one data set.

    Attributes
    ----------
    heading : str
        Name of the data, as far as it tells these data from those of the other parts.
    selected, last : DataFrame
        The runs at the step that a rule selects, and at their last evaluation.
    """

    heading: str
    selected: pd.DataFrame
    last: pd.DataFrame


@dataclass(frozen=True)
class Section:
    """The comparison of the runs on one data set.

    Attributes
    ----------
    heading : str
        As of :class:`DataPart`.
    summary : Summary
        The groups of runs, compared.
    """

    heading: str
    summary: Summary


def by_data(selected: pd.DataFrame, last: pd.DataFrame, datasets: Sequence[str] = ()) -> list[DataPart]:
    """Divide runs by their data.

    Parameters
    ----------
    selected, last : DataFrame
        The same runs at two steps, as :func:`bench.comparing.frame.results` gives them.
    datasets : sequence of str
        Names of data sets in the order of the parts; others follow by name.

    Returns
    -------
    list of DataPart
        One for each hash of data: data sets in order, then by the size of their images and their first run.
    """
    if selected.empty:
        return []
    place = [datasets.index(name) if name in datasets else len(datasets) for name in selected["dataset"]]
    ordered = selected.assign(place=place)
    ordered = ordered.sort_values(["place", "dataset", "image_size", "created"], kind="stable")
    firsts = ordered.drop_duplicates("data_hash")[["dataset", "image_size", "data_hash"]]
    headings = _headings(
        [
            (name, None if pd.isna(size) else int(size), digest)
            for name, size, digest in firsts.itertuples(index=False, name=None)
        ]
    )
    return [
        DataPart(
            headings[digest],
            *(frame[frame["data_hash"] == digest].reset_index(drop=True) for frame in (selected, last)),
        )
        for digest in firsts["data_hash"]
    ]


def _headings(data: Sequence[tuple[str, int | None, str]]) -> dict[str, str]:
    """Return names by hash of data, with the size of images and the hash where they tell data apart."""
    found = {}
    for name, size, digest in data:
        namesakes = [each for each in data if each[0] == name]
        heading = label(name)
        if len(namesakes) > 1 and size is not None:
            heading += f" at {size} px"
        if len([each for each in namesakes if each[1] == size]) > 1:
            heading += f" @{digest[:8]}"
        found[digest] = heading
    return found


def summarise_by_data(
    parts: Sequence[DataPart], metrics: Sequence[str] = (), baseline: str | None = None
) -> list[Section]:
    """Compare the groups of runs of each data set.

    Parameters
    ----------
    parts : sequence of DataPart
        The runs.
    metrics : sequence of str
        Metrics to report, of each data set those that its runs have; the default ones where empty.
    baseline : str, optional
        A group or variant that others are compared with, on the data that it was trained on.

    Returns
    -------
    list of Section
        Of the data sets with a finished run.

    Raises
    ------
    RequestError
        If a name is unknown, no run is complete, or runs on the same data are not comparable.
    """
    require_names(parts, metrics, baseline)
    found = [(part, summary_of(part, metrics, baseline)) for part in parts]
    return [Section(part.heading, summary) for part, summary in found if summary is not None]


def require_names(parts: Sequence[DataPart], metrics: Sequence[str], baseline: str | None) -> None:
    """Refuse runs of which none is complete, and metrics and baselines that none has."""
    selected = pd.concat([part.selected for part in parts], ignore_index=True) if parts else pd.DataFrame()
    if selected.empty:
        raise RequestError("there is no finished run: no run meets what was asked for")
    ended = is_complete(selected)
    if not ended.any():
        states = [
            f"{name} ({status})" for name, status in zip(selected["name"], selected["status"], strict=True)
        ]
        raise RequestError(f"there is no finished run to compare: {', '.join(states[:5])}")
    known = list(dict.fromkeys(name for part in parts for name in _comparable(part)))
    for metric in metrics:
        if metric not in known:
            raise absent_metric(metric, selected, known)
    if baseline is not None and not any(_has(part, baseline) for part in parts):
        raise unknown("baseline", baseline, selected["variant"].unique())


def summary_of(part: DataPart, metrics: Sequence[str] = (), baseline: str | None = None) -> Summary | None:
    """Compare the groups of one data set; None where no run is complete.

    Metrics that the runs do not have are named in a note. A baseline that the part lacks is ignored.
    """
    if not is_complete(part.selected).any():
        return None
    here = _comparable(part)
    reported = [metric for metric in metrics or default_metrics(part.last) if metric in here]
    chosen = baseline if baseline is not None and _has(part, baseline) else None
    summary = summarise(part.selected, part.last, reported, chosen)
    if absent := [metric for metric in metrics if metric not in here]:
        return replace(summary, notes=(*summary.notes, f"Not measured: {listed(absent)}."))
    return summary


def _comparable(part: DataPart) -> list[str]:
    """Names of the numbers that a run of the part has."""
    frames = (part.last, part.selected)
    names = dict.fromkeys(name for frame in frames for name in comparable_columns(frame))
    return [name for name in names if any(name in frame and frame[name].notna().any() for frame in frames)]


def _has(part: DataPart, baseline: str) -> bool:
    """Whether a part has a complete run of a group or variant of that name."""
    complete = part.selected[is_complete(part.selected)].reset_index(drop=True)
    return baseline in set(complete["variant"]) | set(with_groups(complete)["group"])
