"""Pictures of points: what is where."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.figures.points import LIMIT, SIDE, read_points, save_points
from bench.system.errors import WorkError

BLUE = (0, 114, 178)
BLACK = (0, 0, 0)


def drawn(path: Path, points: list[tuple[float, float]], centres: np.ndarray | None = None) -> np.ndarray:
    save_points(torch.tensor(points).reshape(-1, 2), path / "points.png", centres)
    with Image.open(path / "points.png") as image:
        return np.asarray(image)


def pixel(across: float, up: float) -> tuple[int, int]:
    """Row and column of a place of the plane."""
    return (
        round((LIMIT - up) / (2 * LIMIT) * (SIDE - 1)),
        round((across + LIMIT) / (2 * LIMIT) * (SIDE - 1)),
    )


def test_a_point_is_a_dot_at_its_place(tmp_path: Path) -> None:
    changed = (drawn(tmp_path, [(0.3, 0.7)]) != drawn(tmp_path, [])).any(axis=2)
    row, column = pixel(0.3, 0.7)
    assert changed[row, column]
    changed[row - 3 : row + 4, column - 3 : column + 4] = False
    assert not changed.any()


def test_many_points_at_a_place_have_the_full_colour(tmp_path: Path) -> None:
    one, many = drawn(tmp_path, [(0.3, 0.7)]), drawn(tmp_path, [(0.3, 0.7)] * 50)
    assert tuple(many[pixel(0.3, 0.7)]) == BLUE
    assert (one[pixel(0.3, 0.7)] > BLUE).any()


def test_only_a_mode_without_points_has_its_whole_cross(tmp_path: Path) -> None:
    centres = np.array([(0.3, 0.7), (-0.3, -0.7)])
    sheet = drawn(tmp_path, [(0.3, 0.7)] * 50, centres)
    assert tuple(sheet[pixel(-0.3, -0.7)]) == BLACK
    assert tuple(sheet[pixel(0.3, 0.7)]) == BLUE
    row, column = pixel(0.3, 0.7)
    assert tuple(sheet[row, column + 10]) == BLACK


def test_points_beyond_the_axes_are_drawn_at_the_edge(tmp_path: Path) -> None:
    far = drawn(tmp_path, [(9.0, 0.3), (-9.0, -99.0)])
    assert np.array_equal(far, drawn(tmp_path, [(LIMIT, 0.3), (-LIMIT, -LIMIT)]))
    assert (far != drawn(tmp_path, [])).any()


def test_a_picture_is_read_at_half_its_size_with_all_its_dots(tmp_path: Path) -> None:
    points = [(x / 10, -x / 20) for x in range(-9, 10)]
    whole, half = drawn(tmp_path, points), read_points(tmp_path / "points.png")
    assert half.shape == (SIDE // 2, SIDE // 2, 3)
    for point in points:
        row, column = pixel(*point)
        assert (half[row // 2, column // 2] <= whole[row, column]).all()


def test_another_file_than_a_picture_of_points_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.png"
    Image.new("L", (SIDE, SIDE)).save(path)
    with pytest.raises(WorkError, match="no picture of points"):
        read_points(path)
    path.write_bytes(b"no picture")
    with pytest.raises(WorkError, match="cannot be read"):
        read_points(path)
