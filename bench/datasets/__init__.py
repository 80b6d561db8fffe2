"""Data sets: one class each, decoded and resized once into a cached array of bytes.

A new data set is a class in a module of its own, registered by decorator and imported below.
"""

from bench.datasets import celeba, folder, lsun, mnist5k, published  # noqa: F401  (each registers its data sets)
from bench.datasets.arrays import DataArray, KnownModes
from bench.datasets.batches import Batches
from bench.datasets.listing import CatalogueRow, catalogue
from bench.datasets.loading import load
from bench.datasets.registry import check_name, label, native_channels

__all__ = [
    "Batches",
    "CatalogueRow",
    "DataArray",
    "KnownModes",
    "catalogue",
    "check_name",
    "label",
    "load",
    "native_channels",
]
