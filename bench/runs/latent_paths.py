"""Paths between latent vectors: straight lines and great circles."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from bench.system.errors import unknown

PathName = Literal["linear", "slerp"]

# Below this angle (radians) sin(angle) is so small that the quotient of sines only adds rounding; the
# line differs from the arc by less than angle squared, relative to the vectors.
PARALLEL = 1e-6


def linear(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Points of the straight lines (1 - t) start + t end.

    Parameters
    ----------
    start, end : Tensor
        (N, D) each.
    fractions : Tensor
        t in [0, 1], shape (S,).

    Returns
    -------
    Tensor
        (N, S, D), of the type of `start`; at t = 0 and 1 exactly start and end.
    """
    return _between(start, end, fractions, _weights_of_line)


def slerp(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Points of the arcs sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end, w the angle between both.

    Between vectors of one length the length stays and the angle grows in proportion to t. Vectors that are
    nearly parallel, and zero vectors, are joined by a line. Opposite vectors lie on no single great
    circle: their arc goes over a fixed direction, perpendicular to both.

    Parameters
    ----------
    start, end, fractions : Tensor
        As for :func:`linear`.

    Returns
    -------
    Tensor
        (N, S, D), of the type of `start`; at t = 0 and 1 exactly start and end.

    References
    ----------
    Shoemake 1985, Animating rotation with quaternion curves, SIGGRAPH; White 2016, arXiv 1609.04468.
    """
    return _between(start, end, fractions, _weights_of_arc)


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": linear, "slerp": slerp}


def along(path: str, start: Tensor, end: Tensor, steps: int) -> Tensor:
    """`steps` points at equal fractions along a named path, start and end among them; (N, steps, D).

    Raises
    ------
    RequestError
        If there is no path of that name.
    """
    if path not in PATHS:
        raise unknown("path", path, PATHS)
    return PATHS[path](start, end, torch.linspace(0, 1, steps, dtype=torch.float64))


Weights = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def _between(start: Tensor, end: Tensor, fractions: Tensor, weights: Weights) -> Tensor:
    if start.shape != end.shape or start.dim() != 2:
        raise ValueError(
            f"paths join vectors (N, D) and (N, D), not {tuple(start.shape)} and {tuple(end.shape)}"
        )
    first, last = start.double()[:, None], end.double()[:, None]
    t = fractions.double().to(start.device)[None, :, None]
    of_start, of_end, aside = weights(first, last, t)
    points = of_start * first + of_end * last + aside
    points = torch.where(t == 0, first, torch.where(t == 1, last, points))
    return points.to(start.dtype)


def _weights_of_line(first: Tensor, last: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return 1 - t, t, torch.zeros_like(first)


def _weights_of_arc(first: Tensor, last: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    lengths = first.norm(dim=-1, keepdim=True), last.norm(dim=-1, keepdim=True)
    smallest = torch.finfo(first.dtype).tiny
    directions = first / lengths[0].clamp(min=smallest), last / lengths[1].clamp(min=smallest)
    # half-angle form: exact to rounding at every angle, where acos of the dot product is not near 0 and pi
    apart = (directions[0] - directions[1]).norm(dim=-1, keepdim=True)
    together = (directions[0] + directions[1]).norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(apart, together)
    straight = (angle < PARALLEL) | (lengths[0] == 0) | (lengths[1] == 0)
    opposite = (together < PARALLEL) & ~straight
    sine = torch.where(straight | opposite, torch.ones_like(angle), angle.sin())
    of_start, of_end = ((1 - t) * angle).sin() / sine, (t * angle).sin() / sine
    of_start, of_end = torch.where(straight, 1 - t, of_start), torch.where(straight, t, of_end)
    # a half turn: the part along the start goes as the cosine, the rest over the perpendicular
    length = lengths[0] + t * (lengths[1] - lengths[0])
    turn = length * ((torch.pi * t).cos() * directions[0] + (torch.pi * t).sin() * _across(directions[0]))
    zero = torch.zeros_like(of_start)
    return (
        torch.where(opposite, zero, of_start),
        torch.where(opposite, zero, of_end),
        torch.where(opposite, turn, torch.zeros_like(turn)),
    )


def _across(directions: Tensor) -> Tensor:
    """Unit vectors perpendicular to unit vectors: the axis each has least of, made perpendicular."""
    axis = torch.nn.functional.one_hot(directions.abs().argmin(dim=-1), directions.shape[-1])
    axis = axis.to(directions.dtype)
    rest = axis - (axis * directions).sum(-1, keepdim=True) * directions
    return rest / rest.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(rest.dtype).tiny)
