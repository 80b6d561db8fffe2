"""What must stand below results of a variant, as the variant itself declares it."""

from typing import Any

import pandas as pd
from pydantic import ValidationError

from bench.configuration import Configuration
from variants.base import Variant
from variants.registry import all_variants


def caveats(frame: pd.DataFrame) -> list[str]:
    """Sentences that must stand below a table of runs, each once, with the groups that they are about.

    Parameters
    ----------
    frame : DataFrame
        Runs with their knobs, as :func:`bench.comparing.frame.results` gives them, with the column ``group``.
    """
    known = all_variants()
    groups: dict[str, dict[str, None]] = {}
    for _, run in frame.iterrows():
        variant = known.get(str(run["variant"]))
        if variant is not None and (words := _caveat(variant, run)):
            groups.setdefault(words, {})[str(run["group"])] = None
    return [f"{', '.join(names)}: {words}" for words, names in groups.items()]


def caveat_of(configuration: Configuration) -> str:
    """The sentence that must stand below results of a configuration; empty where none must."""
    words = configuration.hyperparameters.caveat()
    return f"{configuration.variant.name}: {words}" if words else ""


def _caveat(variant: type[Variant], run: pd.Series) -> str:
    names = variant.Hyperparameters.model_fields
    if not set(names) <= set(run.index):
        # a reader's own frame without the knobs
        return ""
    values = {name: _plain(run[name]) for name in names if pd.notna(run[name])}
    try:
        return variant.Hyperparameters(**values).caveat()
    except ValidationError:
        # recorded by a version with other knobs
        return ""


def _plain(value: Any) -> Any:
    """A value of Python's own types in place of one of numpy's."""
    return value.item() if hasattr(value, "item") else value
