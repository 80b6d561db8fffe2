"""Search space: ranges of a study file and of a variant, as Optuna's distributions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args, get_origin

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic.fields import FieldInfo

from bench.configuration import EXECUTION_SETTINGS, Configuration, knobs_of
from bench.searching.study_file import Range
from bench.system.errors import RequestError, unknown
from bench.system.json_values import JsonScalar
from variants.base import Variant
from variants.knobs import search_of
from variants.registry import all_variants

# trials with different values of these are not comparable
THE_SAME_FOR_ALL = EXECUTION_SETTINGS | {
    "dataset",
    "image_size",
    "channels",
    "crop",
    "flip",
    "held_out",
    "steps",
    "epochs",
    "seed",
    "extractor",
    "eval_every",
    "eval_samples",
    "checkpoint_every",
    "stop_on",
    "stop_after",
}


@dataclass(frozen=True)
class Dimension:
    """One searched value.

    Attributes
    ----------
    name : str
        Name in the study.
    knobs : tuple of str
        The knobs that get the value.
    kind : {"int", "float", "choice"}
        Type of the value.
    low, high : float
        Inclusive bounds; nan for a choice.
    scale : {"linear", "log"}
        How the range is sampled.
    choices : tuple
        The values of a choice.
    """

    name: str
    knobs: tuple[str, ...]
    kind: Literal["int", "float", "choice"]
    low: float = math.nan
    high: float = math.nan
    scale: Literal["linear", "log"] = "linear"
    choices: tuple[JsonScalar, ...] = ()

    @property
    def text(self) -> str:
        """The range as text."""
        if self.kind == "choice":
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}" + (" (log)" if self.scale == "log" else "")

    def holds(self, value: JsonScalar) -> bool:
        """Whether a value lies in the range."""
        if self.kind == "choice":
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def distribution(self) -> BaseDistribution:
        """Return the range as Optuna's distribution."""
        if self.kind == "choice":
            return CategoricalDistribution(self.choices)
        log = self.scale == "log"
        if self.kind == "int":
            return IntDistribution(int(self.low), int(self.high), log=log)
        return FloatDistribution(self.low, self.high, log=log)


@dataclass(frozen=True)
class SearchSpace:
    """All searched values.

    Attributes
    ----------
    dimensions : tuple of Dimension
        In the study file's order.
    left_out : tuple of str
        Entries of the study file that this variant has no knobs for.
    """

    dimensions: tuple[Dimension, ...]
    left_out: tuple[str, ...] = ()

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the space as Optuna's distributions."""
        return {dimension.name: dimension.distribution() for dimension in self.dimensions}

    def settings(self, params: Mapping[str, JsonScalar]) -> dict[str, JsonScalar]:
        """Return a trial's params as configuration keys."""
        return {knob: params[d.name] for d in self.dimensions if d.name in params for knob in d.knobs}

    def params(self, configuration: Configuration) -> dict[str, JsonScalar] | None:
        """Return a configuration's values as a trial's params, or None if one is outside of the space."""
        flat = configuration.flat()
        params = {}
        for dimension in self.dimensions:
            values = {flat[knob] for knob in dimension.knobs}
            if len(values) > 1 or not dimension.holds(flat[dimension.knobs[0]]):
                return None
            params[dimension.name] = flat[dimension.knobs[0]]
        return params

    def describe(self) -> dict[str, str]:
        """Return name and range of each value, as text."""
        return {
            d.name: (f"{' = '.join(d.knobs)}: " if d.knobs != (d.name,) else "") + d.text
            for d in self.dimensions
        }


def short_text(value: JsonScalar) -> str:
    """Return a param or value as short text."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def space_of(variant: type[Variant], search: Mapping[str, Range], base: Configuration) -> SearchSpace:
    """Return the search space of a variant.

    Parameters
    ----------
    variant : type[Variant]
        Its declared ranges complete the entries of `search`.
    search : mapping of str to Range
        Entries of the study file; without any, every knob with a declared range is searched.
    base : Configuration
        The configuration that trials start from; the ends of each range are validated with it.

    Raises
    ------
    RequestError
        If a name is unknown, a range is empty or a bound is not possible.
    """
    fields = knobs_of(variant)
    entries = dict(search) or {name: Range() for name, field in fields.items() if search_of(field)}
    anywhere = {name for each in all_variants().values() for name in knobs_of(each)}
    dimensions, left_out = [], []
    for name, entry in entries.items():
        knobs = entry.knobs or (name,)
        for knob in knobs:
            if knob not in anywhere:
                raise RequestError(
                    f"search.{name}: {unknown('knob', knob, fields.keys() - THE_SAME_FOR_ALL)}"
                )
            if knob in THE_SAME_FOR_ALL:
                raise RequestError(f"search.{name}: {knob} must be the same for all trials of a study")
        if all(knob in fields for knob in knobs):
            dimensions.append(_dimension(name, knobs, fields, entry, base))
        else:
            left_out.append(name)
    taken = [knob for dimension in dimensions for knob in dimension.knobs]
    if twice := sorted({knob for knob in taken if taken.count(knob) > 1}):
        raise RequestError(f"search: {twice[0]} is searched twice")
    if not dimensions:
        raise RequestError(f"search: {variant.name} has none of {', '.join(entries)}")
    return SearchSpace(tuple(dimensions), tuple(left_out))


def _dimension(
    name: str, knobs: tuple[str, ...], fields: Mapping[str, FieldInfo], entry: Range, base: Configuration
) -> Dimension:
    field = fields[knobs[0]]
    kinds = get_args(field.annotation) if get_origin(field.annotation) is not Literal else (field.annotation,)
    kinds = tuple(kind for kind in kinds or (field.annotation,) if kind is not type(None))
    choices = entry.choices
    if choices is None and entry.low is None and entry.high is None:
        if kinds == (bool,):
            choices = (False, True)
        elif get_origin(kinds[0]) is Literal:
            choices = get_args(kinds[0])
    if choices is not None:
        if entry.low is not None or entry.high is not None or not choices:
            raise RequestError(f"search.{name}: give choices, or low and high")
        choices = tuple(_validated(name, knobs, value, base) for value in choices)
        return Dimension(name, knobs, "choice", choices=choices)
    range_ = search_of(field)
    low = range_.low if entry.low is None and range_ else entry.low
    high = range_.high if entry.high is None and range_ else entry.high
    if low is None or high is None:
        raise RequestError(f"search.{name}: {knobs[0]} declares no range: give low and high, or choices")
    scale = entry.scale or (range_.scale if range_ else "linear")
    if kinds[0] not in (int, float):
        raise RequestError(f"search.{name}: {knobs[0]} is no number: give choices")
    if low >= high or (scale == "log" and low <= 0):
        raise RequestError(
            f"search.{name}: {low:g} to {high:g} is no range" + (" of a log scale" if scale == "log" else "")
        )
    whole = kinds[0] is int
    for bound in (low, high):
        _validated(name, knobs, int(bound) if whole and bound == int(bound) else bound, base)
    return Dimension(name, knobs, "int" if whole else "float", float(low), float(high), scale)


def _validated(name: str, knobs: tuple[str, ...], value: object, base: Configuration) -> JsonScalar:
    """Return a value converted to the knob's type; RequestError if the knob does not allow the value."""
    try:
        flat = base.with_values(**dict.fromkeys(knobs, value)).flat()
    except RequestError as error:
        raise RequestError(f"search.{name}: {error}") from None
    return flat[knobs[0]]
