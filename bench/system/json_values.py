"""Types of values that JSON files hold."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JsonScalar: TypeAlias = str | int | float | bool | None
"""One plain value, such as that of a knob."""

Json: TypeAlias = JsonScalar | Sequence["Json"] | Mapping[str, "Json"]
"""Anything that a JSON file can hold, to be read only."""
