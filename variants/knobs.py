"""Declaring a knob once: type, default, range, unit and the range worth searching."""

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

# upper bounds of knobs that have none by what they mean
LARGEST = 1e30  # of a float32: products of a few of them are still numbers
WIDEST = 1_000_000_000  # of a network: sizes in bytes are still numbers of 64 bits


@dataclass(frozen=True)
class Search:
    """The range of a knob that a study searches unless it names its own.

    Attributes
    ----------
    low, high : float
        Inclusive bounds, in the knob's unit.
    scale : {"linear", "log"}
        How the range is sampled.
    """

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"


def knob(
    default: Any,
    description: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    longest: int | None = None,
    search: Search | None = None,
) -> Any:
    """Declare a field of a :class:`Knobs` class.

    Parameters
    ----------
    default : Any
        The value where nothing else is said.
    description : str
        What it does and where the default comes from.
    unit : str
        Unit of the value, empty for a pure number.
    low, high : float, optional
        Inclusive bounds of what is allowed.
    above : float, optional
        Exclusive lower bound.
    longest : int, optional
        Characters of a text, at most.
    search : Search, optional
        The range worth searching.
    """
    extra: Any = {"unit": unit, "search": search}
    return Field(
        default,
        description=description,
        ge=low,
        le=high,
        gt=above,
        max_length=longest,
        json_schema_extra=extra,
    )


class Knobs(BaseModel):
    """A set of typed knobs. Unknown names and values out of range or of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_other_types(cls, value: Any, info: ValidationInfo) -> Any:
        """Let neither true nor 3.0 count as a whole number; words of the command line are read as numbers."""
        assert info.field_name is not None
        annotation = cls.model_fields[info.field_name].annotation
        kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
        if isinstance(value, bool):
            if bool not in kinds and _is_plain(kinds):
                raise ValueError("true and false have no meaning here")
        elif kinds == [bool]:
            if not isinstance(value, str):
                raise ValueError("true or false is needed")
        elif int in kinds:
            if isinstance(value, float) or (isinstance(value, str) and not re.fullmatch(WHOLE, value)):
                raise ValueError("a whole number is needed")
            if isinstance(value, Integral):
                return int(value)
        return value


# as in 1_000 too; the longest that any knob takes has 19 digits
WHOLE = r"\s*[-+]?[0-9][0-9_]{0,39}\s*"


def _is_plain(kinds: list[Any]) -> bool:
    """Whether a value is a number, a text or a choice among them."""
    return all(kind in (int, float, str) or not isinstance(kind, type) for kind in kinds)
