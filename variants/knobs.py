"""Declaring a knob once: type, default, range, unit and the range worth searching."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


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
    search : Search, optional
        The range worth searching.
    """
    extra: Any = {"unit": unit, "search": search}
    return Field(default, description=description, ge=low, le=high, gt=above, json_schema_extra=extra)


class Knobs(BaseModel):
    """A set of typed knobs. Unknown names and values out of range are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
