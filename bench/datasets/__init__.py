"""Data sets, one class each: images, decoded once into a cached array of bytes, and points.

A new data set is a class in a module of its own, registered by decorator and imported below.
"""

from bench.datasets import (  # noqa: F401  (registers the data sets)
    celeba,
    cifar10,
    folder,
    lsun,
    mnist5k,
    points,
    stacked,
    torchvision_datasets,
)
from bench.datasets.arrays import DataArray, KnownModes
from bench.datasets.batches import Batches
from bench.datasets.catalogue import CatalogueRow, list_datasets
from bench.datasets.facts import (
    class_names,
    content,
    is_present,
    judged_by,
    known_modes,
    label,
    located,
    moved,
    preset_of,
    require_labels,
    sample_shape,
)
from bench.datasets.loading import load, load_held_out
from bench.datasets.registry import require_dataset

__all__ = [
    "Batches",
    "CatalogueRow",
    "DataArray",
    "KnownModes",
    "class_names",
    "content",
    "is_present",
    "judged_by",
    "known_modes",
    "label",
    "list_datasets",
    "load",
    "load_held_out",
    "located",
    "moved",
    "preset_of",
    "require_dataset",
    "require_labels",
    "sample_shape",
]
