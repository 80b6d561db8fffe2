"""Paths between latent vectors: straight lines and great circles."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from bench.system.errors import unknown


def linear(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Return points of the straight lines (1 - t) start + t end.

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
    first, last, t = _aligned(start, end, fractions)
    return _with_ends((1 - t) * first + t * last, start, end, t)


def slerp(start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
    """Return points of great circles, whose length goes linearly from that of start to that of end.

    The angle to start grows in proportion to t. A zero vector has the direction of the other end. Opposite
    vectors lie on no single great circle: their arc goes over a fixed direction, perpendicular to both. In
    one dimension there is none, and the path between numbers of opposite sign passes zero.

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
    first, last, t = _aligned(start, end, fractions)
    lengths = first.norm(dim=-1, keepdim=True), last.norm(dim=-1, keepdim=True)
    one = normalize(torch.where(lengths[0] == 0, last, first), dim=-1)
    other = normalize(torch.where(lengths[1] == 0, first, last), dim=-1)
    across = other - _dot(one, other) * one
    opposite = (across.norm(dim=-1, keepdim=True) < 1e-8) & (_dot(one, other) < 0)
    axis = one_hot(one.abs().argmin(dim=-1), one.shape[-1]).to(one.dtype)
    across = torch.where(opposite, axis, across)
    # again, since a small difference of two vectors is perpendicular only to rounding
    across = normalize(across - _dot(one, across) * one, dim=-1, eps=torch.finfo(one.dtype).tiny)
    angle = torch.atan2(_dot(other, across), _dot(other, one))
    length = lengths[0] + t * (lengths[1] - lengths[0])
    return _with_ends(length * ((t * angle).cos() * one + (t * angle).sin() * across), start, end, t)


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": linear, "slerp": slerp}


def along(path: str, start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return `steps` points at equal fractions along a named path, start and end among them; (N, steps, D).

    Raises
    ------
    RequestError
        If there is no path of that name.
    """
    if path not in PATHS:
        raise unknown("path", path, PATHS)
    return PATHS[path](start, end, torch.linspace(0, 1, steps, dtype=torch.float64))


def _aligned(start: Tensor, end: Tensor, fractions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return start and end (N, 1, D) and t (1, S, 1) in double precision."""
    if start.shape != end.shape or start.dim() != 2:
        raise ValueError(
            f"paths join vectors (N, D) and (N, D), not {tuple(start.shape)} and {tuple(end.shape)}"
        )
    return start.double()[:, None], end.double()[:, None], fractions.double().to(start.device)[None, :, None]


def _with_ends(points: Tensor, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Return points whose first and last are exactly start and end, in the type of start."""
    exact = torch.where(t == 0, start[:, None], torch.where(t == 1, end[:, None], points.to(start.dtype)))
    return exact.to(start.dtype)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(-1, keepdim=True)
