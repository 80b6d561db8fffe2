"""Which runs' values of a metric may be compared: those of one protocol, data set and norm."""

from collections.abc import Sequence

import pandas as pd

from bench.system.errors import RequestError
from bench.system.json_values import Scalar
from variants.modules.losses import BATCH_SIZE_DEPENDENT_NORMS

NAMED_RUNS = 2  # of each side, in an error
NAMED_SIDES = 3

Key = dict[str, Scalar]


def is_loss(metric: str) -> bool:
    """Whether a number is M or a loss, computed in training, rather than a metric of samples."""
    return metric in ("M", "M_best", "balance") or metric.startswith("loss")


def comparison_key(run: pd.Series, metric: str) -> Key:
    """Return the facts that must be equal for two runs' values of a metric to be comparable.

    Parameters
    ----------
    run : Series
        A row of :func:`bench.comparing.frame.results`.
    metric : str
        A judged metric, or M or a loss.

    Returns
    -------
    dict
        ``data_hash`` and: for a judged metric the ``protocol``; for M and losses the ``norm``, and the
        ``batch_size`` under a norm that depends on it.
    """
    facts: Key = {"data_hash": run["data_hash"]}
    if not is_loss(metric):
        return facts | {"protocol": run["protocol"]}
    norm = run.get("norm")
    facts["norm"] = norm if isinstance(norm, str) else "none"
    if norm in BATCH_SIZE_DEPENDENT_NORMS:
        facts["batch_size"] = int(run["batch_size"])
    return facts


def data_label(dataset: str, image_size: int | None, data_hash: str) -> str:
    """Name of a data set, the size of its images, and the first digits of its hash."""
    size = "" if pd.isna(image_size) else f" at {image_size} px"
    return f"{dataset}{size} @{data_hash[:8]}"


def require_comparable(frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Refuse metrics whose values are not comparable over the runs.

    Runs that do not measure M at all (no value and no norm) are left out of the check of M.

    Parameters
    ----------
    frame : DataFrame
        Runs, as :func:`bench.comparing.frame.results` gives them.
    metrics : sequence of str
        Columns that are to be compared.

    Raises
    ------
    RequestError
        For the first metric that is not comparable. The message names the differences and the runs, and says
        how to choose among them.
    """
    for metric in metrics:
        sides: dict[tuple[tuple[str, Scalar], ...], list[pd.Series]] = {}
        for _, run in frame.iterrows():
            if is_loss(metric) and not _has_loss(run, metric):
                continue
            sides.setdefault(tuple(comparison_key(run, metric).items()), []).append(run)
        if len(sides) > 1:
            raise RequestError(_refusal(metric, list(sides.values())))


def _has_loss(run: pd.Series, metric: str) -> bool:
    return isinstance(run.get("norm"), str) or pd.notna(run.get(metric))


def _refusal(metric: str, sides: list[list[pd.Series]]) -> str:
    keys = [comparison_key(side[0], metric) for side in sides]
    names = [
        name for name in dict.fromkeys(n for k in keys for n in k) if len({k.get(name) for k in keys}) > 1
    ]
    if "data_hash" in names:
        names = [name for name in names if name != "protocol"]  # the protocol names the data, too
    if "norm" in names:
        names = [name for name in names if name != "batch_size"]  # only the key of some norms has it
    shown = []
    for side, facts in zip(sides, keys, strict=True):
        values = [_value(name, side[0], keys) for name in names if name in facts]
        runs = ", ".join(run["name"] for run in side[:NAMED_RUNS])
        more = f" and {len(side) - NAMED_RUNS} more" if len(side) > NAMED_RUNS else ""
        shown.append(f"{', '.join(values)} ({runs}{more})")
    listed = "; ".join(shown[:NAMED_SIDES])
    if len(shown) > NAMED_SIDES:
        listed += f"; and {len(shown) - NAMED_SIDES} more"
    kinds = " and ".join({"data_hash": "data", "batch_size": "batch size"}.get(name, name) for name in names)
    return f"{metric} cannot be compared, runs differ in {kinds}: {listed}; {_advice(names, metric)}"


def _value(name: str, run: pd.Series, keys: list[Key]) -> str:
    """One side's value; of a protocol only the parts that not all sides have."""
    if name == "data_hash":
        return data_label(run["dataset"], run["image_size"], run["data_hash"])
    if name == "protocol":
        everywhere = set.intersection(*(set(str(k["protocol"]).split("; ")) for k in keys))
        return "; ".join(part for part in run["protocol"].split("; ") if part not in everywhere)
    if name == "norm":
        return f"norm {run['norm'] if isinstance(run.get('norm'), str) else 'none'}"
    return f"batch size {int(run[name])}"


def _advice(names: list[str], metric: str) -> str:
    if "data_hash" in names:
        return 'choose runs with --dataset or --where "image_size == ..."'
    if "protocol" in names:
        return 'choose runs with --where "extractor == ... and eval_samples == ... and ema_decay == ..."'
    condition = "norm == ..." if "norm" in names else "batch_size == ..."
    return f'choose runs with --where "{condition}", or metrics other than {metric} with --metric'
