"""The variants there are: this package's files and those that other packages offer."""

import importlib
import pkgutil
from importlib.metadata import entry_points

import variants
from variants.base import Variant

ENTRY_POINT_GROUP = "began_bench.variants"

_registered: dict[str, type[Variant]] = {}


def register(variant: type[Variant]) -> type[Variant]:
    """Class decorator: offer a variant under its `name`.

    Raises
    ------
    ValueError
        If another class has that name.
    """
    other = _registered.setdefault(variant.name, variant)
    if other.__qualname__ != variant.__qualname__ or other.__module__ != variant.__module__:
        raise ValueError(f"two variants are named {variant.name!r}: {other!r} and {variant!r}")
    return variant


def all_variants() -> dict[str, type[Variant]]:
    """Every variant by name, in alphabetical order.

    Modules of this package add themselves when imported; so does what an installed package names
    under the entry point group ``began_bench.variants`` (a module, or a class in one).
    """
    for module in pkgutil.iter_modules(variants.__path__):
        importlib.import_module(f"variants.{module.name}")
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        loaded = entry_point.load()
        if isinstance(loaded, type) and issubclass(loaded, Variant):
            register(loaded)
    return dict(sorted(_registered.items()))
