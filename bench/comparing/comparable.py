"""What may stand in one column: never numbers of different protocols, data or norms."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.system.errors import RequestError
from variants.modules.losses import BATCH_SIZE_DEPENDENT_NORMS

NAMED_RUNS = 2  # of each side, in an error
NAMED_SIDES = 3


def is_loss(metric: str) -> bool:
    """Whether a number is M or a loss, which training computes, rather than judged from samples."""
    return metric in ("M", "M_best", "balance") or metric.startswith("loss")


def key(run: pd.Series, metric: str) -> dict[str, Any]:
    """What must be equal for two runs' values of a metric to be comparable.

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
    facts = {"data_hash": run["data_hash"]}
    if not is_loss(metric):
        return facts | {"protocol": run["protocol"]}
    norm = run.get("norm")
    facts["norm"] = norm if isinstance(norm, str) else "none"
    if norm in BATCH_SIZE_DEPENDENT_NORMS:
        facts["batch_size"] = int(run["batch_size"])
    return facts


def data_words(dataset: str, image_size: int | None, data_hash: str) -> str:
    """A data set in few words: its name, the size of its images, and the first digits of its hash."""
    size = "" if pd.isna(image_size) else f" at {image_size} px"
    return f"{dataset}{size} @{data_hash[:8]}"


def check(frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Refuse metrics whose values the runs do not have in common terms.

    Runs that do not measure M at all (no value and no norm) do not stand against those that do.

    Parameters
    ----------
    frame : DataFrame
        Runs, as :func:`bench.comparing.frame.results` gives them.
    metrics : sequence of str
        Columns that are to be compared.

    Raises
    ------
    RequestError
        For the first metric that is not comparable: in what the runs differ, which they are, and how to
        choose among them.
    """
    for metric in metrics:
        sides: dict[tuple[tuple[str, Any], ...], list[pd.Series]] = {}
        for _, run in frame.iterrows():
            if is_loss(metric) and not _has_loss(run, metric):
                continue
            sides.setdefault(tuple(key(run, metric).items()), []).append(run)
        if len(sides) > 1:
            raise RequestError(_refusal(metric, list(sides.values())))


def _has_loss(run: pd.Series, metric: str) -> bool:
    return isinstance(run.get("norm"), str) or pd.notna(run.get(metric))


def _refusal(metric: str, sides: list[list[pd.Series]]) -> str:
    keys = [key(side[0], metric) for side in sides]
    names = [
        name for name in dict.fromkeys(n for k in keys for n in k) if len({k.get(name) for k in keys}) > 1
    ]
    if "data_hash" in names:
        names = [name for name in names if name != "protocol"]  # it names the data, too
    if "norm" in names:
        names = [name for name in names if name != "batch_size"]  # which not every norm has in its key
    told = []
    for side, facts in zip(sides, keys, strict=True):
        words = [_words(name, side[0], keys) for name in names if name in facts]
        runs = ", ".join(run["name"] for run in side[:NAMED_RUNS])
        more = f" and {len(side) - NAMED_RUNS} more" if len(side) > NAMED_RUNS else ""
        told.append(f"{', '.join(words)} ({runs}{more})")
    shown = "; ".join(told[:NAMED_SIDES])
    if len(told) > NAMED_SIDES:
        shown += f"; and {len(told) - NAMED_SIDES} more"
    kinds = " and ".join({"data_hash": "data", "batch_size": "batch size"}.get(name, name) for name in names)
    return f"{metric} cannot be compared, runs differ in {kinds}: {shown}; {_advice(names, metric)}"


def _words(name: str, run: pd.Series, keys: list[dict[str, Any]]) -> str:
    """One side's value, short: of a protocol only the parts that not all sides have."""
    if name == "data_hash":
        return data_words(run["dataset"], run["image_size"], run["data_hash"])
    if name == "protocol":
        everywhere = set.intersection(*(set(k["protocol"].split("; ")) for k in keys))
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
