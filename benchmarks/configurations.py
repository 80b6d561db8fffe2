"""The timed configurations: the quick preset of each variant, and its published layers at a smaller size."""

from typing import Any

import random_images  # noqa: F401  (registers its data sets)

from bench import datasets
from bench.configuration import Harness
from bench.runs.data_location import load_configured

# variants that were published for images of one channel
GREY = frozenset({"began-resnet18"})

Given = dict[str, Any]


def quick(variant: str, threads: int, **changes: Any) -> Given:
    """Return the quick preset, whose data comes with a dependency."""
    return {"variant": variant, "preset": "quick", "threads": threads, "tracking": False} | changes


def published(
    variant: str, threads: int, filters: int, image_size: int, batch_size: int, **changes: Any
) -> Given:
    """Return the paper preset with another size, on random images.

    Without BEGAN-CS's second evaluation of k and M, which the other variants lack.
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
        "eval_samples": 500,  # the judge needs more samples than features; nothing is evaluated
        "threads": threads,
        "tracking": False,
    }
    return given | ({"reevaluate": False} if variant == "began-cs" else {}) | changes


def images_of(harness: Harness) -> datasets.DataArray:
    """Load the images of a configuration as the harness does."""
    return load_configured(harness, lambda _: None)
