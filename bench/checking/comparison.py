"""Comparison of nested states, to the bit and up to rounding."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

UNCOMPARED = ("seconds",)  # times


def flattened(state: object, path: str = "") -> dict[str, object]:
    """Return every leaf of nested mappings and sequences by its path, such as ``averages generator``."""
    if isinstance(state, Mapping):
        pairs: Sequence[tuple[object, object]] = list(state.items())
    elif isinstance(state, list | tuple):
        pairs = list(enumerate(state))
    else:
        return {path: state}
    found: dict[str, object] = {}
    for key, value in pairs:
        if key not in UNCOMPARED:
            found |= flattened(value, f"{path} {key}".strip())
    return found


def same(one: object, other: object) -> bool:
    """Whether two leaves are equal, tensors to the bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and one == other


def first_difference(one: object, other: object) -> str | None:
    """Return the path of the first leaf in which two states differ to the bit; None if they are equal."""
    left, right = flattened(one), flattened(other)
    for path in dict.fromkeys((*left, *right)):
        if path not in left or path not in right or not same(left[path], right[path]):
            return path
    return None


def relative_distance(one: Tensor, other: Tensor) -> float:
    """Return the norm of the difference of two tensors over the larger of their norms."""
    left, right = one.double().flatten(), other.double().flatten()
    scale = max(left.norm().item(), right.norm().item())
    return (left - right).norm().item() / scale if scale else 0.0
