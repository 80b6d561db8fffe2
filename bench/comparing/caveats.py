"""Caveats that variants declare, to be printed below their results."""

import pandas as pd
from pydantic import ValidationError

from bench.configuration import Configuration
from variants.base import Variant
from variants.registry import all_variants


def caveats(frame: pd.DataFrame) -> list[str]:
    """Return the caveats of a table of runs, each once, with the groups that it concerns.

    Parameters
    ----------
    frame : DataFrame
        Runs with their knobs, as :func:`bench.comparing.frame.results` gives them, with the column ``group``.
    """
    known = all_variants()
    groups: dict[str, dict[str, None]] = {}
    for _, run in frame.iterrows():
        variant = known.get(str(run["variant"]))
        if variant is not None and (caveat := _caveat(variant, run)):
            groups.setdefault(caveat, {})[str(run["group"])] = None
    return [f"{', '.join(names)}: {caveat}" for caveat, names in groups.items()]


def caveat_of(configuration: Configuration) -> str:
    """Return the caveat of a configuration's results; empty where there is none."""
    caveat = configuration.hyperparameters.caveat()
    return f"{configuration.variant.name}: {caveat}" if caveat else ""


def _caveat(variant: type[Variant], run: pd.Series) -> str:
    names = variant.Hyperparameters.model_fields
    if not set(names) <= set(run.index):
        # a reader's own frame without the knobs
        return ""
    values = {name: _plain(run[name]) for name in names if pd.notna(run[name])}
    try:
        return variant.Hyperparameters.model_validate(values).caveat()
    except ValidationError:
        # recorded by a version with other knobs
        return ""


def _plain(value: object) -> object:
    """Convert a number of numpy's to one of Python's."""
    return value.item() if hasattr(value, "item") else value
