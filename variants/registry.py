"""Registry of variants: the modules of this package and the plug-ins of other packages."""

import importlib
import pkgutil
from typing import get_args

import variants
from variants.base import SampleKind, Variant, VariantHyperparameters
from variants.plugins import RegistrationError, Registry
from variants.presets import problem_with
from variants.scalars import TrainingScalar


def _import_own() -> None:
    for module in pkgutil.iter_modules(variants.__path__):
        importlib.import_module(f"variants.{module.name}")


VARIANTS: Registry[type[Variant]] = Registry("variant", "began_bench.variants", _import_own)


def register(variant: type[Variant]) -> type[Variant]:
    """Class decorator that registers a variant under its `name`.

    Raises
    ------
    RegistrationError
        If the class is no complete variant, or another class is registered under that name.
    """
    _check(variant)
    VARIANTS.add(variant.name, variant, variant)
    return variant


def _check(variant: type[Variant]) -> None:
    """Raise RegistrationError if a class is not a complete variant."""
    if not (isinstance(variant, type) and issubclass(variant, Variant)):
        raise RegistrationError(f"{variant!r} is no subclass of variants.base.Variant")
    if missing := sorted(getattr(variant, "__abstractmethods__", ())):
        raise RegistrationError(f"{variant.__qualname__} does not define {', '.join(missing)}")
    for attribute in ("name", "title", "source"):
        value = getattr(variant, attribute, None)
        if not isinstance(value, str) or not value.strip() or "\n" in value:
            raise RegistrationError(f"{variant.__qualname__}: the attribute {attribute} must be a text")
    if not variant.sample_kinds or not set(variant.sample_kinds) <= set(get_args(SampleKind)):
        raise RegistrationError(
            f"{variant.__qualname__}: sample_kinds {variant.sample_kinds!r} must be one or both of "
            f"{', '.join(get_args(SampleKind))}"
        )
    if not (
        isinstance(variant.scalars, tuple)
        and all(isinstance(scalar, TrainingScalar) for scalar in variant.scalars)
    ):
        raise RegistrationError(f"{variant.__qualname__}: scalars must be a tuple of TrainingScalar")
    hyperparameters = getattr(variant, "Hyperparameters", None)
    if not (isinstance(hyperparameters, type) and issubclass(hyperparameters, VariantHyperparameters)):
        raise RegistrationError(
            f"{variant.__qualname__}: Hyperparameters must be a subclass of VariantHyperparameters"
        )
    if problem := problem_with(variant.presets, hyperparameters):
        raise RegistrationError(f"{variant.__qualname__}: {problem}")


def all_variants() -> dict[str, type[Variant]]:
    """Return all variants by name, in alphabetical order.

    Modules of this package register their variants when imported. An installed package adds variants by
    entry points in the group ``began_bench.variants`` (see :mod:`variants.plugins`).
    """
    return dict(sorted(VARIANTS.entries().items()))
