"""Declare a knob once: type, default, range, unit and the range worth searching."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from types import NoneType
from typing import Literal, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

Setting = str | int | float | bool | None  # value of a knob

# Upper bounds of knobs whose meaning implies none.
LARGEST = 1e30  # for float32 values: products of a few such values stay finite
WIDEST = 1_000_000_000  # for sizes of networks: sizes in bytes still fit into 64 bits

T = TypeVar("T")


@dataclass(frozen=True)
class Search:
    """The range of a knob that a study searches unless the study file names another range.

    Attributes
    ----------
    low, high : float
        Inclusive bounds, in the knob's unit.
    scale : {"linear", "log"}
        Sampling scale.
    """

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"


def knob(
    default: T,
    description: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    longest: int | None = None,
    search: Search | None = None,
    neutral: tuple[Setting, ...] = (),
) -> T:
    """Declare a field of a :class:`Knobs` class.

    Parameters
    ----------
    default
        Value unless the user sets another.
    description : str
        Meaning of the knob and, where it matters, the origin of the default.
    unit : str
        Unit of the value, empty for a pure number.
    low, high : float, optional
        Inclusive bounds.
    above : float, optional
        Exclusive lower bound.
    longest : int, optional
        Maximum number of characters of a text.
    search : Search, optional
        The range worth searching.
    neutral : tuple
        Values with which a run computes what it computed before the knob existed. The hash of a configuration
        leaves them out, so that runs and studies keep their identity when the knob is added. Where a subclass
        has another default, runs without the knob would compute something else, and no value is neutral.
    """
    return Field(
        default,
        description=description,
        ge=low,
        le=high,
        gt=above,
        max_length=longest,
        json_schema_extra=cast(JsonDict, {"unit": unit, "search": search, "neutral": neutral}),
    )


def unit_of(field: FieldInfo) -> str:
    """Return the unit of a knob, empty for a pure number."""
    return str(_details(field).get("unit", ""))


def search_of(field: FieldInfo) -> Search | None:
    """Return the search range that a knob declares, if any."""
    search = _details(field).get("search")
    return search if isinstance(search, Search) else None


def neutral_of(field: FieldInfo) -> tuple[Setting, ...]:
    """Return the values of a knob that the hash of a configuration leaves out."""
    return cast(tuple[Setting, ...], _details(field).get("neutral", ()))


def _details(field: FieldInfo) -> Mapping[str, object]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


class Knobs(BaseModel):
    """A set of typed knobs. Unknown names, values out of range and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Let a knob that is declared again as a plain value keep the inherited description and range."""
        super().__init_subclass__(**kwargs)  # type: ignore[arg-type]
        # the class has no fields of its own yet, and would name those of one base class only
        inherited: dict[str, FieldInfo] = {}
        for base in reversed(cls.__mro__[1:]):
            if issubclass(base, Knobs):
                inherited |= base.model_fields
        for name in inherited.keys() & inspect.get_annotations(cls).keys() & cls.__dict__.keys():
            if not isinstance(cls.__dict__[name], FieldInfo):
                setattr(cls, name, _with_default(inherited[name], cls.__dict__[name]))

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_other_types(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true and 3.0 as whole numbers; accept texts of the command line that are numbers."""
        assert info.field_name is not None
        annotation = cls.model_fields[info.field_name].annotation
        types = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
        if isinstance(value, bool):
            if bool not in types and _are_plain(types):
                raise ValueError("true and false have no meaning here")
        elif types == [bool]:
            if not isinstance(value, str):
                raise ValueError("true or false is needed")
        elif int in types:
            if isinstance(value, float) or (isinstance(value, str) and not re.fullmatch(WHOLE, value)):
                raise ValueError("a whole number is needed")
            if isinstance(value, Integral):
                return int(value)
        return value


# Underscores are allowed, as in 1_000. The longest whole number of any knob has 19 digits.
WHOLE = r"\s*[-+]?[0-9][0-9_]{0,39}\s*"


def _with_default(field: FieldInfo, default: object) -> object:
    """Return the declaration of a knob with another default."""
    bounds: dict[str, float] = {}
    for bound in field.metadata:
        for attribute in ("ge", "le", "gt", "max_length"):
            if hasattr(bound, attribute):
                bounds[attribute] = getattr(bound, attribute)
    return knob(
        default,
        field.description or "",
        unit=unit_of(field),
        low=bounds.get("ge"),
        high=bounds.get("le"),
        above=bounds.get("gt"),
        longest=int(bounds["max_length"]) if "max_length" in bounds else None,
        search=search_of(field),
        neutral=neutral_of(field) if default in neutral_of(field) else (),
    )


def _are_plain(types: list[object]) -> bool:
    """Return whether all types are numbers, texts or literals."""
    return all(kind in (int, float, str) or not isinstance(kind, type) for kind in types)
