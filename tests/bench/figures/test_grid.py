"""Grids: what is written is what is read back, in its place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.figures.grid import MARGIN, check_png, read_grid, save_grid, to_bytes
from bench.system.errors import RequestError, WorkError


def images(count: int, channels: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.rand((count, channels, size, size), generator=generator) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("count", "columns", "rows"), [(6, 3, 2), (5, 3, 2), (1, 4, 1)])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_grid_is_read_back_to_the_byte(
    channels: int, count: int, columns: int, rows: int, scale: int, tmp_path: Path
) -> None:
    drawn = images(count, channels)
    save_grid(drawn, tmp_path / "grid.png", columns, scale)
    found = read_grid(tmp_path / "grid.png", 8, scale)
    assert found.shape == (rows, columns, 8, 8, channels)
    cells = found.reshape(-1, 8, 8, channels)
    expected = ((drawn.permute(0, 2, 3, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    assert np.array_equal(cells[:count], expected)
    assert (cells[count:] == 255).all()


def test_each_pixel_is_a_square_on_a_white_sheet(tmp_path: Path) -> None:
    save_grid(images(4, 1), tmp_path / "grid.png", columns=2, scale=3)
    with Image.open(tmp_path / "grid.png") as image:
        assert image.mode == "L"
        sheet = np.asarray(image)
    side = (2 * (8 + MARGIN) + MARGIN) * 3
    assert sheet.shape == (side, side)
    assert np.array_equal(sheet, np.kron(sheet[::3, ::3], np.ones((3, 3), np.uint8)))
    assert (sheet[: MARGIN * 3] == 255).all()
    assert (sheet[(8 + MARGIN) * 3 : (8 + 2 * MARGIN) * 3] == 255).all()


def test_values_beyond_the_range_are_clamped() -> None:
    values = torch.tensor([-7.0, -1, 0, 1, 3]).reshape(1, 1, 1, 5)
    assert to_bytes(values).flatten().tolist() == [0, 0, 128, 255, 255]


def test_another_file_than_a_grid_is_refused(tmp_path: Path) -> None:
    save_grid(images(4, 1), tmp_path / "grid.png", columns=2)
    with pytest.raises(WorkError, match="no grid of images of 9 pixels"):
        read_grid(tmp_path / "grid.png", 9)
    (tmp_path / "grid.png").write_bytes(b"no picture")
    with pytest.raises(WorkError, match="cannot be read"):
        read_grid(tmp_path / "grid.png", 8)


def test_another_format_is_refused() -> None:
    with pytest.raises(RequestError, match=r"\.png"):
        check_png(Path("grid.jpg"))


@pytest.mark.parametrize("channels", [1, 3])
def test_labels_stand_left_of_their_rows_where_there_is_room(tmp_path, channels):
    images = torch.rand(6, channels, 28, 28) * 2 - 1
    plain, labelled = tmp_path / "plain.png", tmp_path / "labelled.png"
    save_grid(images, plain, columns=3)
    save_grid(images, labelled, columns=3, row_labels=["digit 1", "a much longer name"])
    grid, sheet = (np.asarray(Image.open(path)) for path in (plain, labelled))
    margin = sheet.shape[1] - grid.shape[1]
    assert np.array_equal(sheet[:, margin:], grid)
    inked = (sheet[:, :margin].reshape(sheet.shape[0], -1) < 128).any(axis=1)
    assert inked[:60].any()
    assert inked[62:].any()

    save_grid(images[..., :4, :4], labelled, columns=3, row_labels=["digit 1", "digit 2"])
    save_grid(images[..., :4, :4], plain, columns=3)
    assert labelled.read_bytes() == plain.read_bytes()
