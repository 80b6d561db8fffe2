"""The configuration of a run, resolved from defaults, preset, YAML file and the caller's settings.

Later sources override earlier ones, in this order.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bench.configuration.presets import kind_of, preset_layers, presets_of
from bench.configuration.schema import EXECUTION_SETTINGS, Harness
from bench.datasets import class_names, located, preset_of, require_labels
from bench.system.errors import RequestError, shown, unknown
from variants.base import Variant
from variants.knobs import Knobs, Setting, neutral_of, unit_of
from variants.registry import all_variants

AnyKnobs = TypeVar("AnyKnobs", bound=Knobs)


class Configuration:
    """A resolved configuration.

    Attributes
    ----------
    variant : type[Variant]
        Class of the variant.
    preset : str
        Name of the preset below the other settings.
    harness : Harness
        Knobs of the harness.
    hyperparameters : VariantHyperparameters
        Knobs of the variant.
    """

    def __init__(self, variant: type[Variant], preset: str, values: Mapping[str, object]) -> None:
        check_names(variant, values)
        self.variant = variant
        self.preset = preset
        own = variant.Hyperparameters.model_fields
        self.harness = _build(Harness, {k: v for k, v in values.items() if k not in own})
        self.hyperparameters = _build(variant.Hyperparameters, {k: v for k, v in values.items() if k in own})
        if (self.harness.steps is None) == (self.harness.epochs is None):
            raise RequestError("steps and epochs: give one of them, as a number above 0")
        size = self.harness.image_size
        if (kind := kind_of(size)) not in variant.sample_kinds:
            raise RequestError(f"{variant.name} has no networks for {kind} (image_size {size})")
        if self.harness.stop_on != "none" and self.harness.extractor is None:
            word = shown(self.harness.stop_on)
            raise RequestError(f"stop_on: {word} needs a judge, and extractor is none: give one of them")
        for name, value in (("crop", self.harness.crop), ("flip", self.harness.flip)):
            if size is None and value:
                raise RequestError(f"{name}: points have neither pixels nor sides (image_size none)")
        if self.harness.compile != "none" and self.harness.activation_checkpointing:
            raise RequestError("compile and activation_checkpointing: give one of them")
        if self.harness.lr_rule == "halve_on_stall" and not any(each.steers for each in variant.scalars):
            raise RequestError(
                f"lr_rule: 'halve_on_stall' follows a measure of convergence, and {variant.name} records none"
            )

    def __repr__(self) -> str:
        harness = self.harness
        of = f"{self.variant.name} on {harness.dataset}, preset {self.preset}, seed {harness.seed}"
        return f"Configuration({of}: {len(self.flat())} knobs)"

    @classmethod
    def from_flat(cls, values: Mapping[str, object]) -> "Configuration":
        """Return the configuration that :meth:`flat` gave; RequestError if its variant is not installed."""
        rest = {name: value for name, value in values.items() if name not in NAMES}
        return cls(variant_named(str(values["variant"])), str(values["preset"]), rest)

    def flat(self) -> dict[str, Setting]:
        """Return the value of every knob by name, as YAML files and MLflow hold them."""
        return {
            "variant": self.variant.name,
            "preset": self.preset,
            **self.harness.model_dump(),
            **self.hyperparameters.model_dump(),
        }

    def hash(self, among: Collection[str] | None = None) -> str:
        """Return the sha256 of all knobs that decide what is computed, without neutral values.

        Parameters
        ----------
        among : collection of str, optional
            Use only these knobs, such as those of a recorded run.
        """
        neutral = {name: neutral_of(field) for name, field in knobs_of(self.variant).items()}
        identity = {
            name: value
            for name, value in self.flat().items()
            if name not in EXECUTION_SETTINGS
            and (among is None or name in among)
            and value not in neutral.get(name, ())
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def with_values(self, **values: object) -> "Configuration":
        """Return a copy with some knobs changed."""
        flat = self.flat() | values
        return Configuration(self.variant, self.preset, {k: v for k, v in flat.items() if k not in NAMES})

    def changes(self, values: Mapping[str, object]) -> list[str]:
        """List the knobs that some values would change, as ``name old -> new``.

        Raises
        ------
        RequestError
            If a value is not possible.
        """
        old = self.flat()
        named: dict[str, object] = {name: value for name, value in values.items() if name in NAMES}
        rest = {name: value for name, value in values.items() if name not in NAMES}
        if named.get("variant", self.variant.name) == self.variant.name:
            # epochs were resolved to steps
            length: dict[str, object] = {"steps": None} if rest.get("epochs") is not None else {}
            named |= self.with_values(**length | rest).flat() if rest else {}
        return [
            f"{name} {shown(old[name])} -> {shown(new)}" for name, new in named.items() if old[name] != new
        ]

    def changed_execution_settings(self, values: Mapping[str, object]) -> dict[str, Setting]:
        """Return the execution settings among some values that differ from these, with their new values.

        Raises
        ------
        RequestError
            If a value is not possible.
        """
        named = {name: value for name, value in values.items() if name in EXECUTION_SETTINGS}
        new = self.with_values(**named).flat() if named else {}
        return {name: new[name] for name in named if new[name] != self.flat()[name]}

    def classes(self) -> int:
        """Return the number of classes of the data set, 0 without labels; no data is read.

        Raises
        ------
        RequestError
            If the variant is conditional and the data set has no labels.
        """
        if self.variant.conditional:
            require_labels(self.harness.dataset, f"which {self.variant.name} needs")
        return len(class_names(self.harness.dataset))


NAMES = ("variant", "preset")


def resolve(given: Mapping[str, object], file: Path | None = None) -> Configuration:
    """Resolve a configuration from the caller's settings and a YAML file, which they override.

    Parameters
    ----------
    given : mapping
        Knobs by name, including `variant` and `preset`; strings are converted to the knob's type.
    file : Path, optional
        A YAML file with the same keys.

    Raises
    ------
    RequestError
        If a name is unknown, a value is out of range or the file cannot be read; if the variant is
        conditional and the data set has no labels.
    """
    layers = [_file(file) if file else {}, dict(given)]
    named: dict[str, object] = {}
    for layer in layers:
        named |= {name: layer.pop(name) for name in NAMES if name in layer}
    if "variant" not in named:
        raise RequestError(f"no variant given: --variant is one of {', '.join(all_variants())}")
    variant = variant_named(str(named["variant"]))
    preset, dataset = named.get("preset"), merge(layers).get("dataset")
    if preset is not None:
        below = preset_layers(variant, str(preset))
    elif dataset is not None:
        preset = preset_of(str(dataset))
        below = preset_layers(variant, preset, of=str(dataset))
    else:
        preset = presets_of(variant)[0]
        below = preset_layers(variant, preset)
    values = merge([*below, *layers])
    if isinstance(values.get("dataset"), str):
        values["dataset"] = located(str(values["dataset"]))
    configuration = Configuration(variant, str(preset), values)
    if variant.conditional:
        # refuses data without labels
        configuration.classes()
    return configuration


def _file(path: Path) -> dict[str, object]:
    # imported here because only files need PyYAML
    from bench.configuration import yaml_files

    return yaml_files.read(path)


def merge(layers: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Merge settings: later layers override earlier ones; `steps` and `epochs` override each other."""
    merged: dict[str, object] = {}
    for layer in layers:
        if layer.get("steps") is not None:
            merged.pop("epochs", None)
        elif layer.get("epochs") is not None:
            merged.pop("steps", None)
        merged |= layer
    return merged


def variant_named(name: str) -> type[Variant]:
    """Return the class of a variant; RequestError if the name is unknown."""
    known = all_variants()
    if name not in known:
        raise unknown("variant", name, known)
    return known[name]


def knobs_of(variant: type[Variant]) -> dict[str, FieldInfo]:
    """Return all knobs of a variant's runs, by name."""
    return {**Harness.model_fields, **variant.Hyperparameters.model_fields}


def check_names(variant: type[Variant], values: Mapping[str, object]) -> None:
    """Raise RequestError for unknown keys, and for knobs that harness and variant both declare."""
    known = knobs_of(variant)
    for name in values:
        if name not in known:
            raise unknown(f"configuration key for {variant.name}", str(name), known)
    clash = set(Harness.model_fields) & set(variant.Hyperparameters.model_fields)
    if clash:
        raise RequestError(f"{variant.name} declares knobs that the harness has: {', '.join(sorted(clash))}")


def harness_of(values: Mapping[str, object]) -> Harness:
    """Return knobs of the harness, by default each its own default.

    Raises
    ------
    RequestError
        If a value is not possible.
    """
    return _build(Harness, values)


def _build(kind: type[AnyKnobs], values: Mapping[str, object]) -> AnyKnobs:
    values = {name: _as_typed(value, kind.model_fields[name]) for name, value in values.items()}
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        field = kind.model_fields[name]
        raise RequestError(
            f"{name}: {shown(first['input'])} is not possible: allowed is {allowed(field)}"
        ) from None


def _as_typed(value: object, field: FieldInfo) -> object:
    """Convert a word of the command line to None or the choice it names; return other values unchanged."""
    if value == "none" and type(None) in get_args(field.annotation):
        return None
    return next((choice for choice in _choices(field) if value == str(choice)), value)


def _kinds(field: FieldInfo) -> list[object]:
    """Return the types or Literals that a knob's value may have, without None."""
    return [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]


def _choices(field: FieldInfo) -> list[object]:
    """Return the allowed values of a knob with choices; empty for a knob with a range."""
    kinds = _kinds(field)
    return [c for kind in kinds for c in (get_args(kind) or ([] if isinstance(kind, type) else [kind]))]


def allowed(field: FieldInfo) -> str:
    """Describe the allowed values of a knob: its choices, or its type and range with the unit."""
    kinds, choices = _kinds(field), _choices(field)
    optional = type(None) in get_args(field.annotation)
    if choices:
        words = " or ".join(map(str, choices))
    else:
        words = {
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            str: "a text of printable characters,",
        }[cast(type, kinds[0])]
        for bound in field.metadata:
            for attribute, text in (
                ("ge", "from"),
                ("gt", "above"),
                ("le", "to"),
                ("lt", "below"),
                ("max_length", "at most"),
            ):
                if hasattr(bound, attribute):
                    words += f" {text} {_number(getattr(bound, attribute))}"
        if unit_of(field):
            words += f" ({unit_of(field)})"
    return words + (" or none" if optional else "")


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
