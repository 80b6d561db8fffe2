"""Registry of variants: the modules of this package and the entry points of other packages."""

import importlib
import pkgutil
from importlib.metadata import entry_points

import variants
from variants.base import Variant

ENTRY_POINT_GROUP = "began_bench.variants"

_registered: dict[str, type[Variant]] = {}


def register(variant: type[Variant]) -> type[Variant]:
    """Class decorator that registers a variant under its `name`.

    Raises
    ------
    ValueError
        If another class is registered under that name.
    """
    other = _registered.setdefault(variant.name, variant)
    if other.__qualname__ != variant.__qualname__ or other.__module__ != variant.__module__:
        raise ValueError(f"two variants are named {variant.name!r}: {other!r} and {variant!r}")
    return variant


def all_variants() -> dict[str, type[Variant]]:
    """Return all variants by name, in alphabetical order.

    Modules of this package register their variants when imported. An installed package adds variants by
    entry points in the group ``began_bench.variants``, each a module or a class.
    """
    for module in pkgutil.iter_modules(variants.__path__):
        importlib.import_module(f"variants.{module.name}")
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        loaded = entry_point.load()
        if isinstance(loaded, type) and issubclass(loaded, Variant):
            register(loaded)
    return dict(sorted(_registered.items()))
