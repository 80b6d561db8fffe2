"""Runs that differ only in their seed are one group, the unit of every comparison."""

from collections.abc import Collection, Mapping

import pandas as pd

from bench.comparing.columns import knob_columns
from bench.system.json_values import JsonScalar

Identity = tuple[JsonScalar, ...]  # variant, data and knobs

SCHEDULE = "eval_every"  # a knob that changes no training, only the steps at which a rule can select
DIGITS = 4  # significant digits of a number in a group's name, where these tell groups apart


def with_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``group``.

    Runs are of one group if they have the same variant, data and knobs, the seed and
    :data:`bench.configuration.EXECUTION_SETTINGS` left aside (and the preset, which only names values).

    Parameters
    ----------
    frame : DataFrame
        Runs, as :func:`bench.comparing.frame.results` gives them.

    Returns
    -------
    DataFrame
        A copy. ``group`` is the variant's name and, where several groups share variant and data, the knobs
        in which those differ: ``VARIANT (lr_g=0.001)``. It names one group within a data set. Numbers have
        :data:`DIGITS` significant digits, and more only where two values of a knob would read alike.
        :data:`SCHEDULE` stands there only if nothing else tells the groups apart, or if runs count at another
        step than their last.
    """
    columns = ["variant", "data_hash", *knob_columns(frame)]
    identities: list[Identity] = list(zip(*(map(_plain, frame[name]) for name in columns), strict=True))
    siblings: dict[Identity, list[Identity]] = {}
    for identity in dict.fromkeys(identities):
        siblings.setdefault(identity[:2], []).append(identity)
    short = "select" in frame and bool(frame["select"].eq("last").all())
    names = {
        identity: name
        for alike in siblings.values()
        for identity, name in _named(alike, columns, short).items()
    }
    labels = [names[identity] for identity in identities]
    return frame.assign(group=pd.Series(labels, index=frame.index, dtype=object))


def _named(alike: Collection[Identity], columns: Collection[str], short: bool) -> Mapping[Identity, str]:
    """Return the name of each group among those with the same variant and data.

    With `short` the names leave :data:`SCHEDULE` out if they differ without it.
    """
    texts = [_texts({identity[place] for identity in alike}) for place in range(len(columns))]
    differing = [(place, name) for place, name in enumerate(columns) if len(texts[place]) > 1]
    fewer = [(place, name) for place, name in differing if name != SCHEDULE]
    if short and len({tuple(identity[place] for place, _ in fewer) for identity in alike}) == len(alike):
        differing = fewer
    names = {}
    for identity in alike:
        knobs = ", ".join(f"{name}={texts[place][identity[place]]}" for place, name in differing)
        names[identity] = f"{identity[0]} ({knobs})" if knobs else str(identity[0])
    return names


def _texts(values: Collection[JsonScalar]) -> Mapping[JsonScalar, str]:
    """Return different texts for different values of a knob, of as few digits as that takes."""
    texts: dict[JsonScalar, str] = {}
    for digits in range(DIGITS, 18):
        texts = {value: _text(value, digits) for value in values}
        if len(set(texts.values())) == len(texts):
            break
    return texts


def _text(value: JsonScalar, digits: int) -> str:
    if value is None:
        return "none"
    # a column of whole numbers in which some are missing holds floats
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.{digits}g}"
    return f"{value:.0f}" if isinstance(value, float) and abs(value) < 1e15 else str(value)


def once_per_seed(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep one run per group and seed: repeated runs would narrow an interval without adding evidence.

    Parameters
    ----------
    frame : DataFrame
        Runs with the column ``group``.

    Returns
    -------
    kept : DataFrame
        Of runs with the same data, group and seed the newest complete one (finished or diverged), or the
        newest where none is complete; in the order of `frame`.
    left_out : list of str
        Names of the others.
    """
    order = frame.assign(complete=is_complete(frame)).sort_values(["complete", "created"], kind="stable")
    copies = order.duplicated(["data_hash", "group", "seed"], keep="last").reindex(frame.index)
    return frame[~copies].reset_index(drop=True), list(frame.loc[copies, "name"])


def is_diverged(frame: pd.DataFrame) -> pd.Series:
    """Whether each run's loss ceased to be finite."""
    return frame["health"].astype("string").str.startswith("diverged@").fillna(False).astype(bool)


def is_collapsed(frame: pd.DataFrame) -> pd.Series:
    """Whether each run ended collapsed, by any sign of :func:`bench.health.signs.signs_of_collapse`."""
    return frame["health"].astype("string").str.startswith("collapsed@").fillna(False).astype(bool)


def has_judge(frame: pd.DataFrame) -> pd.Series:
    """Whether each run has a judge: without one (`extractor: none`) a collapse is not seen."""
    if "metric" not in frame:
        return pd.Series(True, index=frame.index)
    return frame["metric"] != ""


def is_stopped(frame: pd.DataFrame) -> pd.Series:
    """Whether the knob `stop_on` ended each run."""
    if "stopped_on" not in frame:
        return pd.Series(False, index=frame.index)
    return frame["stopped_on"].notna()


def is_complete(frame: pd.DataFrame) -> pd.Series:
    """Whether each run has an end that counts: finished, diverged, or ended on a collapse."""
    return (frame["status"] == "FINISHED") | is_diverged(frame) | is_stopped(frame)


def _plain(value: JsonScalar) -> JsonScalar:
    """The value, or None for any missing one: None equals itself."""
    return None if pd.isna(value) else value
