"""Paths between latents, against arithmetic written anew."""

import math

import pytest
import torch
from torch import Tensor

from bench.runs.latent_paths import along, linear, slerp
from bench.system.errors import RequestError

FRACTIONS = torch.linspace(0, 1, 9, dtype=torch.float64)


def vectors(seed: int, length: float | None = None, count: int = 5, size: int = 12) -> Tensor:
    drawn = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn if length is None else length * drawn / drawn.norm(dim=1, keepdim=True)


def angle(first: Tensor, second: Tensor) -> Tensor:
    cosine = (first * second).sum(-1) / (first.norm(dim=-1) * second.norm(dim=-1))
    return torch.acos(cosine.clamp(-1, 1))


@pytest.mark.parametrize("path", ["linear", "slerp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ends_are_exact(path: str, dtype: torch.dtype) -> None:
    start, end = vectors(0).to(dtype), vectors(1).to(dtype)
    points = along(path, start, end, 7)
    assert points.shape == (5, 7, 12)
    assert points.dtype == dtype
    assert torch.equal(points[:, 0], start)
    assert torch.equal(points[:, -1], end)


def test_a_line_is_the_weighted_mean() -> None:
    start, end = vectors(0), vectors(1)
    for place, t in enumerate(FRACTIONS.tolist()):
        torch.testing.assert_close(linear(start, end, FRACTIONS)[:, place], (1 - t) * start + t * end)


def test_an_arc_between_unit_vectors_is_shoemakes_formula() -> None:
    start, end = vectors(0, 1.0), vectors(1, 1.0)
    w = angle(start, end)[:, None]
    for place, t in enumerate(FRACTIONS.tolist()):
        expected = torch.sin((1 - t) * w) / torch.sin(w) * start + torch.sin(t * w) / torch.sin(w) * end
        torch.testing.assert_close(slerp(start, end, FRACTIONS)[:, place], expected)


@pytest.mark.parametrize("length", [1.0, 5.0])
def test_between_equal_lengths_the_length_stays_and_the_angle_grows_evenly(length: float) -> None:
    start, end = vectors(0, length), vectors(1, length)
    points = slerp(start, end, FRACTIONS)
    torch.testing.assert_close(points.norm(dim=-1), torch.full((5, 9), length, dtype=torch.float64))
    expected = FRACTIONS[None] * angle(start, end)[:, None]
    torch.testing.assert_close(angle(points, start[:, None].expand_as(points)), expected, rtol=0, atol=1e-7)


def test_between_other_lengths_the_direction_is_the_same_and_the_length_grows_evenly() -> None:
    start, end = vectors(0, 1.0), vectors(1, 1.0)
    points = slerp(2.0 * start, 5.0 * end, FRACTIONS)
    lengths = torch.tensor([2.0 + 3.0 * place / 8 for place in range(9)], dtype=torch.float64)
    torch.testing.assert_close(points, lengths[None, :, None] * slerp(start, end, FRACTIONS))


@pytest.mark.parametrize("tilt", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_nearly_parallel_vectors_are_joined_smoothly(tilt: float) -> None:
    start = vectors(0, 2.0)
    end = start + tilt * vectors(3)
    points = slerp(start, end, FRACTIONS)
    assert points.isfinite().all()
    straight = linear(start, end, FRACTIONS)
    # between arc and chord of an angle w lies no more than w^2 / 8 of the length
    furthest = float(angle(start, end).max()) if tilt >= 1e-7 else tilt * 10
    assert (points - straight).abs().max() <= 2.0 * furthest**2 + 1e-14


@pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-3])
def test_opposite_vectors_go_half_way_round(tilt: float) -> None:
    start = vectors(0, 3.0)
    end = -start + tilt * vectors(3)
    end = 3.0 * end / end.norm(dim=1, keepdim=True)
    points = slerp(start, end, FRACTIONS)
    torch.testing.assert_close(points.norm(dim=-1), torch.full((5, 9), 3.0, dtype=torch.float64))
    turned = angle(points, start[:, None].expand_as(points))
    torch.testing.assert_close(turned, (FRACTIONS * math.pi).expand_as(turned), rtol=0, atol=2e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tilt", [0.0, *(10.0**-power for power in range(1, 18, 2))])
def test_near_opposite_vectors_lengths_stay_between_those_of_the_ends(
    tilt: float, dtype: torch.dtype
) -> None:
    start = vectors(0, 2.0, count=50)
    end = -1.5 * (start + tilt * vectors(3, 2.0, count=50))
    points = slerp(start.to(dtype), end.to(dtype), FRACTIONS).double()
    lengths = torch.stack([start.norm(dim=1), end.norm(dim=1)])
    rounding = 1 + 20 * torch.finfo(dtype).eps
    assert (points.norm(dim=-1) >= lengths.amin(dim=0)[:, None] / rounding).all()
    assert (points.norm(dim=-1) <= lengths.amax(dim=0)[:, None] * rounding).all()


def test_zero_vectors_are_joined_by_a_line() -> None:
    zero, end = torch.zeros(5, 12, dtype=torch.float64), vectors(1)
    torch.testing.assert_close(slerp(zero, end, FRACTIONS), linear(zero, end, FRACTIONS))
    assert slerp(zero, zero, FRACTIONS).abs().max() == 0


def test_vectors_of_one_batch_do_not_mix() -> None:
    start, end = vectors(0), vectors(1)
    end[1], end[2] = start[1], -start[2]
    together = slerp(start, end, FRACTIONS)
    for row in range(5):
        alone = slerp(start[row : row + 1], end[row : row + 1], FRACTIONS)
        torch.testing.assert_close(together[row], alone[0])


def test_a_path_of_another_name_is_refused() -> None:
    with pytest.raises(RequestError, match="did you mean 'slerp'"):
        along("slrep", vectors(0), vectors(1), 3)


def test_vectors_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="paths join"):
        slerp(vectors(0), vectors(1, count=4), FRACTIONS)
