"""Data sets, one class each: images, decoded and resized once into a cached array of bytes, and points.

A new data set is a class in a module of its own, registered by decorator and imported below.
"""

from bench.datasets import (  # noqa: F401  (each registers its data sets)
    celeba,
    folder,
    lsun,
    mnist5k,
    points,
    published,
    stacked,
)
from bench.datasets.arrays import DataArray, KnownModes
from bench.datasets.batches import Batches
from bench.datasets.listing import CatalogueRow, catalogue
from bench.datasets.loading import load
from bench.datasets.registry import check_name, judged_by, label, preset_of, sample_shape

__all__ = [
    "Batches",
    "CatalogueRow",
    "DataArray",
    "KnownModes",
    "catalogue",
    "check_name",
    "judged_by",
    "label",
    "load",
    "preset_of",
    "sample_shape",
]
