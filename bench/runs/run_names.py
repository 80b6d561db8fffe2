"""Readable names of runs: variant, data set and seed, short enough for a list of runs."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from variants.base import Variant

# MLflow's lists show this many characters of a name
LENGTH = 20
LONGEST_VARIANT = 8
ID_LENGTH = 6


def short_name(variant: "type[Variant]") -> str:
    """Return the name of a variant in the names of runs; at most eight characters."""
    return (variant.short_name or variant.name)[:LONGEST_VARIANT]


def data_name(dataset: str) -> str:
    """Return the name of a data set in the names of runs; of a folder the last part of its path."""
    kind, _, path = dataset.partition(":")
    last = os.path.basename(os.path.realpath(os.path.expanduser(path))) if path else ""
    words = "".join(c if c.isalnum() or c in "._-" else " " for c in last or kind).split()
    return "-".join(words).strip("-") or kind


def run_name(variant: "type[Variant]", dataset: str, seed: int, run_id: str = "") -> str:
    """Return the name of a run, such as ``v3 mnist-5k s2 3fa94c``.

    The data set is cut where variant, data set and seed would not fit into the first 20 characters.

    Parameters
    ----------
    variant : type of Variant
        The variant.
    dataset : str
        Value of the knob `dataset`.
    seed : int
        Seed of the run.
    run_id : str
        The run's id, whose beginning tells runs with the same variant, data set and seed apart. The empty
        string leaves it out: a run has no id before it is created.
    """
    return " ".join([_label(short_name(variant), dataset, f"s{seed}"), run_id[:ID_LENGTH]]).rstrip()


def with_hyphens(name: str) -> str:
    """Return a name with hyphens in place of spaces: one word for a shell, which means the same run."""
    return name.replace(" ", "-")


def multirun_name(variants: "Sequence[type[Variant]]", dataset: str, seeds: Sequence[int]) -> str:
    """Return the name of several runs, such as ``cs+v3 mnist-5k s0-4``."""
    names = "+".join(map(short_name, variants))
    first, last = min(seeds), max(seeds)
    consecutive = len(seeds) > 1 and sorted(seeds) == list(range(first, last + 1))
    text = f"{first}-{last}" if consecutive else ",".join(map(str, seeds))
    return _label(
        names if len(names) <= LONGEST_VARIANT else f"{len(variants)} variants", dataset, f"s{text}", 8
    )


def _label(variant: str, dataset: str, seeds: str, shortest: int = 4) -> str:
    room = max(shortest, LENGTH - len(variant) - len(seeds) - 2)
    return f"{variant} {data_name(dataset)[:room].rstrip('._-')} {seeds}"
