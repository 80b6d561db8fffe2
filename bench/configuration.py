"""The configuration of a run: every knob once, resolved from defaults, preset, file and command line.

Later layers win: a knob's default, the variant's preset, a YAML file, what the caller sets.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError, field_validator
from pydantic.fields import FieldInfo

from bench.datasets import preset_of
from bench.errors import RequestError, shown, unknown
from variants.base import Variant, VariantHyperparameters
from variants.knobs import LARGEST, Knobs, knob
from variants.registry import all_variants

# Knobs that say where and how a run is made, not what it computes: outside its identity.
CIRCUMSTANCES = frozenset(
    {
        "device", "threads", "channels_last", "fused_adam", "compile", "activation_checkpointing",
        "data_root", "figures", "tracking", "experiment",
    }
)  # fmt: skip


LONGEST_NAME = 256  # of an experiment in MLflow's databases
LONGEST_PATH = 4096  # of Linux
MOST_STEPS = 99_999_999  # names of files have eight digits for a step
LARGEST_SEED = 2**63 - 1  # of result tables, whose whole numbers have 64 bits

# Values that say no more than a configuration from before there were such knobs: outside the identity too.
PLAIN: dict[str, tuple[Any, ...]] = {"parts": (None, 1), "compute_dtype": ("float32",), "tf32": (False,)}


class Harness(Knobs):
    """Knobs of the harness, the same for every variant."""

    dataset: str = knob("mnist-5k", "name of the data set, or folder:PATH", longest=LONGEST_PATH)
    image_size: int | None = knob(
        28, "side of the square images; none for 2-D points", unit="pixels", low=1, high=4096
    )
    channels: Literal[1, 3] | None = knob(None, "1 grey or 3 colour; the data set's own where not given")
    batch_size: int = knob(64, "real samples in a batch", unit="samples", low=2, high=1_000_000)
    drop_last: bool = knob(True, "leave out the short last batch of an epoch")
    steps: int | None = knob(
        None, "length of training, in generator updates", unit="steps", low=1, high=MOST_STEPS
    )
    epochs: float | None = knob(
        None, "length of training in passes over the data, instead of steps", above=0, high=1_000_000
    )
    seed: int = knob(0, "seed of weights, data order, latents and evaluation", low=0, high=LARGEST_SEED)
    lr_rule: Literal["none", "halve_every", "halve_on_stall"] = knob(
        "none",
        "learning rates stay, halve every lr_window steps, or halve when M's mean over a window stalls",
    )
    lr_window: int = knob(100_000, "window of lr_rule", unit="steps", low=1, high=MOST_STEPS)
    lr_floor: float = knob(
        2e-5, "lr_rule takes no learning rate below this (unless it starts there)", low=0, high=LARGEST
    )
    ema_decay: float = knob(
        0.0,
        "decay of the generator's moving average that is judged; 0 judges the generator itself",
        low=0,
        high=0.99999,
    )
    eval_every: int = knob(
        1000, "steps between evaluations; 0 evaluates at the end only", unit="steps", low=0, high=MOST_STEPS
    )
    eval_samples: int = knob(
        5000, "generated samples in an evaluation", unit="samples", low=100, high=100_000_000
    )
    extractor: Literal["inception", "shipped"] = knob(
        "inception",
        "network behind the Frechet distance: Inception (fid) where its weights are here or can be fetched, "
        "else the shipped one for grey images; shipped takes that one first (far faster on a CPU)",
    )
    parts: int | None = knob(
        None,
        "equal parts that a batch is passed in, one after another (gradient accumulation) or spread over the "
        "processes that torchrun starts; none: one a process. Batch norm sees a part at a time",
        unit="parts",
        low=1,
        high=1_000_000,
    )
    compute_dtype: Literal["float32", "bfloat16"] = knob(
        "float32",
        "of convolutions and matrix products in training; losses, k, M and judging are float32 always",
    )
    tf32: bool = knob(
        False, "on a GPU: float32 products and convolutions of training may be rounded to TF32's 10 bits"
    )
    channels_last: bool = knob(
        True, "images lie in memory pixel by pixel; faster for all but the smallest networks"
    )
    fused_adam: bool = knob(True, "Adam in one kernel")
    compile: Literal["none", "default", "reduce-overhead"] = knob(
        "none",
        "torch.compile of the networks; reduce-overhead takes CUDA graphs. Costs up to a minute at the "
        "start; not together with activation_checkpointing",
    )
    activation_checkpointing: bool = knob(
        False, "compute activations again for the gradient instead of keeping them: less memory, more time"
    )
    checkpoint_every: int = knob(1000, "steps between checkpoints", unit="steps", low=1, high=MOST_STEPS)
    device: Literal["auto", "cpu", "cuda"] = knob(
        "auto", "where to compute; auto takes a GPU where there is one"
    )
    threads: int = knob(
        0,
        "CPU threads, at most four for each of the machine's cores, or 64; 0 leaves it to torch",
        low=0,
        high=4096,
    )
    data_root: str | None = knob(
        None, "folder of the data sets' files; the cache folder where not given", longest=LONGEST_PATH
    )
    figures: bool = knob(True, "draw the run's figures when it ends; `bench plot` draws them at any time")
    tracking: bool = knob(
        True, "record the run in MLflow too; without it neither MLflow nor Optuna is imported"
    )
    experiment: str = knob("began-bench", "name of the MLflow experiment", longest=LONGEST_NAME)

    @field_validator("dataset", "data_root", "experiment")
    @classmethod
    def _check_text(cls, value: str | None) -> str | None:
        if value is not None and not is_name(value):
            raise ValueError("empty or not printable")
        return value


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
    from bench import yaml_files

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


def is_name(text: str) -> bool:
    """Whether a text may name a folder, a data set or an experiment: not empty, on one line, printable."""
    return bool(text.strip()) and text.isprintable()


def unit_of(field: FieldInfo) -> str:
    """The unit of a knob, empty for a pure number."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""
