"""The discriminator's error over the plane: each value in its place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.figures import style
from bench.figures.plane import ACROSS, draw_landscape, places
from bench.figures.points import LIMIT


def test_places_fill_the_axes_from_below_and_from_the_left() -> None:
    grid = places().reshape(ACROSS, ACROSS, 2)
    assert (np.diff(grid[0, :, 0]) > 0).all()
    assert (np.diff(grid[:, 0, 1]) > 0).all()
    half = LIMIT / ACROSS
    assert grid.min() == pytest.approx(half - LIMIT)
    assert grid.max() == pytest.approx(LIMIT - half)


@pytest.mark.parametrize(("across", "up"), [(0.8, 0.8), (0.8, -0.8), (-0.8, 0.8)])
def test_the_lightest_place_is_where_the_error_is_least(across: float, up: float, tmp_path: Path) -> None:
    error = np.hypot(*(places() - (across, up)).T) + 1e-3
    nothing = torch.empty(0, 2)
    png, _ = style.save(draw_landscape(error, nothing, nothing, None, ""), tmp_path / "landscape")
    with Image.open(png) as image:
        sheet = np.asarray(image.convert("L")).astype(float)
    # within the map, away from axes, colour bar and legend
    inner = sheet[40:600, 80:620]
    rows, columns = np.where(inner == inner.max())
    assert (rows.mean() < inner.shape[0] / 2) == (up > 0)
    assert (columns.mean() > inner.shape[1] / 2) == (across > 0)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_an_error_that_is_the_same_everywhere_can_be_drawn(value: float, tmp_path: Path) -> None:
    one = torch.zeros(1, 2)
    figure = draw_landscape(np.full(ACROSS**2, value), one, one, np.zeros((1, 2)), "flat")
    assert len(style.save(figure, tmp_path / "flat")) == 2
