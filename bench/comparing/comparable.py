"""Which runs' values of a number may be compared: those of one data set, and of one protocol or scale."""

from collections.abc import Sequence

import pandas as pd

from bench.comparing.measured import is_judged, metrics_of_run
from bench.comparing.scalars import scalar_of_column
from bench.system.errors import RequestError
from bench.system.json_values import JsonScalar
from variants.scalars import SameKnob, TrainingScalar

NAMED_RUNS = 2  # of each side, in an error
NAMED_SIDES = 3

DATA, PROTOCOL, DEFINITION, BETTER = "data_hash", "protocol", "definition", "better"
Key = dict[str, JsonScalar]


def comparison_key(run: pd.Series, metric: str) -> Key:
    """Return the facts that must be equal for two runs' values of a number to be comparable.

    Parameters
    ----------
    run : Series
        A row of :func:`bench.comparing.frame.results`.
    metric : str
        A judged metric, or a scalar that the run declares.

    Returns
    -------
    dict
        ``data_hash`` and: for a judged metric the ``protocol`` and the ``definition`` (direction of better
        values, settings); for a scalar its direction of ``better`` values, and the knobs that the scalar's
        scale depends on.
    """
    facts: Key = {DATA: run[DATA]}
    scalar = None if is_judged(run, metric) else scalar_of_column(run, metric)
    if scalar is None:
        declared = metrics_of_run(run).get(metric)
        defined = f"{declared.better} is better, {declared.settings or 'no settings'}" if declared else None
        return facts | {PROTOCOL: run[PROTOCOL], DEFINITION: defined}
    return (
        facts | {BETTER: scalar.better} | {name: knob_value(run, name) for name in scale_knobs(run, scalar)}
    )


def scale_knobs(run: pd.Series, scalar: TrainingScalar) -> list[str]:
    """Names of the knobs that a scalar's scale depends on in a run."""
    return [dependence.knob for dependence in scalar.depends_on if holds(run, dependence)]


def holds(run: pd.Series, dependence: SameKnob) -> bool:
    """Whether a scalar of a run depends on a knob, which another knob may limit."""
    return not dependence.when_knob or str(knob_value(run, dependence.when_knob)) in dependence.when_values


def knob_value(run: pd.Series, name: str) -> JsonScalar:
    """Value of a knob in a row; None where the run has no such knob."""
    value = run.get(name)
    if pd.isna(value):
        return None
    plain: JsonScalar = value.item() if hasattr(value, "item") else value
    # an integer beside missing values may have become a float
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def data_label(dataset: str, image_size: int | None, data_hash: str) -> str:
    """Name of a data set, the size of its images, and the first digits of its hash."""
    size = "" if pd.isna(image_size) else f" at {image_size} px"
    return f"{dataset}{size} @{data_hash[:8]}"


def spelt(name: str) -> str:
    """Name of a fact as text: ``batch size`` for ``batch_size``."""
    return "data" if name == DATA else name.replace("_", " ")


def require_comparable(frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Refuse numbers whose values are not comparable over the runs.

    Runs that did not measure a metric, or do not declare a scalar, are left out of the check of it.

    Parameters
    ----------
    frame : DataFrame
        Runs, as :func:`bench.comparing.frame.results` gives them.
    metrics : sequence of str
        Columns that are to be compared.

    Raises
    ------
    RequestError
        For the first number that is not comparable. The message names the differences and the runs, and says
        how to choose among them.
    """
    for metric in metrics:
        sides = _sides(frame, metric)
        if len(sides) > 1:
            raise RequestError(_refusal(metric, sides))


def differences(frame: pd.DataFrame, metric: str) -> list[str]:
    """Names of the facts in which the runs differ so that a number is not comparable; empty if it is."""
    return _differing([comparison_key(side[0], metric) for side in _sides(frame, metric)])


def _sides(frame: pd.DataFrame, metric: str) -> list[list[pd.Series]]:
    """Runs with equal facts, together."""
    sides: dict[tuple[tuple[str, JsonScalar], ...], list[pd.Series]] = {}
    for _, run in frame.iterrows():
        if is_judged(run, metric) or scalar_of_column(run, metric) is not None:
            sides.setdefault(tuple(comparison_key(run, metric).items()), []).append(run)
    return list(sides.values())


def _differing(keys: Sequence[Key]) -> list[str]:
    names = [
        name for name in dict.fromkeys(n for k in keys for n in k) if len({k.get(name) for k in keys}) > 1
    ]
    if DATA in names:
        names = [name for name in names if name != PROTOCOL]  # the protocol names the data, too
    # a fact that counts for some sides only is the consequence of another one
    everywhere = [name for name in names if all(name in key for key in keys)]
    return everywhere or names


def _refusal(metric: str, sides: list[list[pd.Series]]) -> str:
    keys = [comparison_key(side[0], metric) for side in sides]
    names = _differing(keys)
    shown = []
    for side, facts in zip(sides, keys, strict=True):
        values = [_value(name, side[0], facts, keys) for name in names if name in facts]
        runs = ", ".join(run["name"] for run in side[:NAMED_RUNS])
        more = f" and {len(side) - NAMED_RUNS} more" if len(side) > NAMED_RUNS else ""
        shown.append(f"{', '.join(values)} ({runs}{more})")
    listed = "; ".join(shown[:NAMED_SIDES])
    if len(shown) > NAMED_SIDES:
        listed += f"; and {len(shown) - NAMED_SIDES} more"
    kinds = " and ".join(map(spelt, names))
    return f"{metric} cannot be compared, runs differ in {kinds}: {listed}; {_advice(names, metric)}"


def _value(name: str, run: pd.Series, facts: Key, keys: list[Key]) -> str:
    """One side's value; of a protocol only the parts that not all sides have."""
    if name == DATA:
        return data_label(run["dataset"], run["image_size"], run[DATA])
    if name == PROTOCOL:
        everywhere = set.intersection(*(set(str(k[PROTOCOL]).split("; ")) for k in keys))
        return "; ".join(part for part in run[PROTOCOL].split("; ") if part not in everywhere)
    if name == BETTER:
        return f"{run['variant']}'s direction of better values"
    if name == DEFINITION:
        return str(facts[DEFINITION])
    value = knob_value(run, name)
    return f"{spelt(name)} {'none' if value is None else value}"


def _advice(names: list[str], metric: str) -> str:
    if DATA in names:
        return 'choose runs with --dataset or --where "image_size == ..."'
    if PROTOCOL in names:
        return 'choose runs with --where "extractor == ... and eval_samples == ... and ema_decay == ..."'
    if DEFINITION in names:
        return f"choose runs of one version with --where, or metrics other than {metric} with --metric"
    choice = "--variant" if BETTER in names else f'--where "{names[0]} == ..."'
    return f"choose runs with {choice}, or metrics other than {metric} with --metric"
