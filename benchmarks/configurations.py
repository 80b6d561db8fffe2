"""The configurations that are timed: each variant's quick preset, and its published layers made smaller."""

from typing import Any

import random_images  # noqa: F401  (registers its data sets)

from bench import datasets
from bench.configuration import Harness
from bench.system import paths

# What variants were published on in one channel, not in three.
GREY = frozenset({"began-resnet18"})

Given = dict[str, Any]


def quick(variant: str, threads: int, **changes: Any) -> Given:
    """The quick preset, whose data comes with a dependency."""
    return {"variant": variant, "preset": "quick", "threads": threads, "tracking": False} | changes


def published(
    variant: str, threads: int, filters: int, image_size: int, batch_size: int, **changes: Any
) -> Given:
    """The published layers of the paper preset at another size, on random images.

    Without the BEGAN-CS program's second measurement of k and M: it is the one of that program's habits
    that the other variants lack.
    """
    colour = variant not in GREY
    given = {
        "variant": variant,
        "preset": "paper",
        "dataset": "random-colour" if colour else "random-grey",
        "channels": 3 if colour else 1,
        "image_size": image_size,
        "filters": filters,
        "batch_size": batch_size,
        "steps": 1_000_000,
        "extractor": "shipped",
        "eval_samples": 500,  # more than the judge has features; nothing is judged
        "threads": threads,
        "tracking": False,
    }
    return given | ({"reevaluate": False} if variant == "began-cs" else {}) | changes


def images_of(harness: Harness) -> datasets.DataArray:
    """The images of a configuration, as the harness loads them."""
    return datasets.load(
        harness.dataset,
        image_size=harness.image_size,
        channels=harness.channels,
        data_root=paths.datasets(),
        cache=paths.cache(),
    )
