"""The configuration of a run: every knob once, resolved from defaults, preset, file and command line.

Later layers win: a knob's default, the variant's preset, a YAML file, what the caller sets.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bench.configuration.schema import CIRCUMSTANCES, PLAIN, Harness
from bench.datasets import preset_of
from bench.system.errors import RequestError, shown, unknown
from variants.base import Variant, VariantHyperparameters
from variants.knobs import Knobs, unit_of
from variants.registry import all_variants


class Configuration:
    """A resolved configuration.

    Attributes
    ----------
    variant : type[Variant]
        The variant's class.
    preset : str
        Name of the preset it starts from.
    harness : Harness
        The harness's knobs.
    hyperparameters : VariantHyperparameters
        The variant's.
    """

    def __init__(self, variant: type[Variant], preset: str, values: Mapping[str, Any]) -> None:
        check_names(variant, values)
        self.variant = variant
        self.preset = preset
        own = variant.Hyperparameters.model_fields
        self.harness = _build(Harness, {k: v for k, v in values.items() if k not in own})
        self.hyperparameters: VariantHyperparameters = _build(
            variant.Hyperparameters, {k: v for k, v in values.items() if k in own}
        )
        if (self.harness.steps is None) == (self.harness.epochs is None):
            raise RequestError("steps and epochs: give one of them, as a number above 0")
        if self.harness.compile != "none" and self.harness.activation_checkpointing:
            raise RequestError("compile and activation_checkpointing: give one of them")
        if self.harness.lr_rule == "halve_on_stall" and not variant.measures_convergence:
            raise RequestError(f"lr_rule: 'halve_on_stall' follows M, which {variant.name} does not measure")

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> "Configuration":
        """Return the configuration that :meth:`flat` gave; RequestError if its variant is not installed."""
        rest = {name: value for name, value in values.items() if name not in NAMES}
        return cls(variant_named(str(values["variant"])), str(values["preset"]), rest)

    def flat(self) -> dict[str, Any]:
        """Every knob by name, as YAML and MLflow have them."""
        return {
            "variant": self.variant.name,
            "preset": self.preset,
            **self.harness.model_dump(),
            **self.hyperparameters.model_dump(),
        }

    def hash(self, among: Collection[str] | None = None) -> str:
        """sha256 of everything that decides what is computed.

        Parameters
        ----------
        among : collection of str, optional
            Only these knobs: those that there were when a run was recorded.
        """
        identity = {
            name: value
            for name, value in self.flat().items()
            if name not in CIRCUMSTANCES
            and (among is None or name in among)
            and value not in PLAIN.get(name, ())
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def with_values(self, **values: Any) -> "Configuration":
        """A copy with some knobs changed."""
        flat = self.flat() | values
        return Configuration(self.variant, self.preset, {k: v for k, v in flat.items() if k not in NAMES})

    def changes(self, values: Mapping[str, Any]) -> list[str]:
        """What some values would change, as ``name old -> new``; RequestError if one is not possible."""
        old = self.flat()
        named = {name: value for name, value in values.items() if name in NAMES}
        rest = {name: value for name, value in values.items() if name not in NAMES}
        if named.get("variant", self.variant.name) == self.variant.name:
            # a length in epochs was resolved to steps
            length = {"steps": None} if rest.get("epochs") is not None else {}
            named |= self.with_values(**length | rest).flat() if rest else {}
        return [
            f"{name} {shown(old[name])} -> {shown(new)}" for name, new in named.items() if old[name] != new
        ]

    def changed_circumstances(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The circumstances among some values that differ from these; RequestError if one is not possible."""
        named = {name: value for name, value in values.items() if name in CIRCUMSTANCES}
        new = self.with_values(**named).flat() if named else {}
        return {name: new[name] for name in named if new[name] != self.flat()[name]}


NAMES = ("variant", "preset")


def resolve(given: Mapping[str, Any], file: Path | None = None) -> Configuration:
    """Resolve a configuration from what the caller sets and, below it, a YAML file.

    Parameters
    ----------
    given : mapping
        Knobs by name, `variant` and `preset` among them; strings are read as the knob's type.
    file : Path, optional
        A YAML file of the same keys.

    Raises
    ------
    RequestError
        If a name is unknown, a value is out of range or the file cannot be read.
    """
    layers = [_file(file) if file else {}, dict(given)]
    named: dict[str, Any] = {}
    for layer in layers:
        named |= {name: layer.pop(name) for name in NAMES if name in layer}
    if "variant" not in named:
        raise RequestError(f"no variant given: --variant is one of {', '.join(all_variants())}")
    variant = variant_named(str(named["variant"]))
    preset = named.get("preset")
    preset = default_preset(variant, merge(layers)) if preset is None else str(preset)
    if preset not in variant.presets:
        raise unknown("preset", preset, variant.presets)
    return Configuration(variant, preset, merge([variant.presets[preset], *layers]))


def _file(path: Path) -> dict[str, Any]:
    # PyYAML, which only a file needs
    from bench.configuration import yaml_files

    return yaml_files.read(path)


def default_preset(variant: type[Variant], given: Mapping[str, Any]) -> str:
    """Name the preset that a run takes unless one is given: that of the data set given, else ``"quick"``.

    Raises
    ------
    RequestError
        If there is no such data set, or the variant has no preset for it.
    """
    if given.get("dataset") is None:
        return "quick"
    name = str(given["dataset"])
    preset = preset_of(name)
    if preset not in variant.presets:
        raise RequestError(f"{variant.name} has no preset {preset!r}, the one for {name}: give another")
    return preset


def merge(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay later layers over earlier ones; steps and epochs displace each other."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer.get("steps") is not None:
            merged.pop("epochs", None)
        elif layer.get("epochs") is not None:
            merged.pop("steps", None)
        merged |= layer
    return merged


def variant_named(name: str) -> type[Variant]:
    """The variant's class; RequestError if there is none of that name."""
    known = all_variants()
    if name not in known:
        raise unknown("variant", name, known)
    return known[name]


def knobs_of(variant: type[Variant]) -> dict[str, FieldInfo]:
    """Every knob that a run of a variant has, by name."""
    return {**Harness.model_fields, **variant.Hyperparameters.model_fields}


def check_names(variant: type[Variant], values: Mapping[str, Any]) -> None:
    """Refuse keys that neither the harness nor the variant has, and a clash of the two."""
    known = knobs_of(variant)
    for name in values:
        if name not in known:
            raise unknown(f"configuration key for {variant.name}", str(name), known)
    clash = set(Harness.model_fields) & set(variant.Hyperparameters.model_fields)
    if clash:
        raise RequestError(f"{variant.name} declares knobs that the harness has: {', '.join(sorted(clash))}")


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Read ``key=value`` words."""
    parsed: dict[str, Any] = {}
    for word in settings:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise RequestError(f"--set {shown(word)}: write it as key=value")
        parsed[key.strip()] = value.strip()
    return parsed


def _build(kind: type[Knobs], values: Mapping[str, Any]) -> Any:
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


def _as_typed(value: Any, field: FieldInfo) -> Any:
    """The choice that a word of the command line means, "none" for no value among them; else what it is."""
    if value == "none" and type(None) in get_args(field.annotation):
        return None
    return next((choice for choice in _choices(field) if value == str(choice)), value)


def _kinds(field: FieldInfo) -> list[Any]:
    """What a knob's value may be, beside none: types, or choices."""
    return [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]


def _choices(field: FieldInfo) -> list[Any]:
    """The values that a knob chooses among; empty where it has a range."""
    kinds = _kinds(field)
    return [c for kind in kinds for c in (get_args(kind) or ([] if isinstance(kind, type) else [kind]))]


def allowed(field: FieldInfo) -> str:
    """What a knob may be, in words: its choices, or its type and range with the unit."""
    kinds, choices = _kinds(field), _choices(field)
    optional = type(None) in get_args(field.annotation)
    if choices:
        words = " or ".join(map(str, choices))
    else:
        kind = kinds[0]
        words = {
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            str: "a text of printable characters,",
        }[kind]
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
