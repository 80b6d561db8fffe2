"""Panels of images: every pixel in its place, the same bytes each time, both formats."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from bench.figures import style
from bench.figures.panels import EDGE, GAP, HEADING, LINE, draw_panels


def panel(seed: int, channels: int = 1, size: tuple[int, int] = (9, 14)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (*size, channels), dtype=np.uint8)


def written(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 4])
def test_panels_are_drawn_pixel_for_pixel_in_their_cells(channels: int, scale: int, tmp_path: Path) -> None:
    panels = [[panel(10 * row + column, channels) for column in range(3)] for row in range(2)]
    figure = draw_panels(panels, "a title", ["a", "b", "c"], scale=scale)
    files = style.save(figure, tmp_path / "panels.of.two")
    assert [file.name for file in files] == ["panels.of.two.png", "panels.of.two.svg"]
    sheet = written(files[0])
    top, left = EDGE + HEADING + 4 + LINE, EDGE
    for row in range(2):
        for column in range(3):
            y, x = top + row * (9 * scale + GAP), left + column * (14 * scale + GAP)
            seen = sheet[y : y + 9 * scale, x : x + 14 * scale]
            expected = np.kron(panels[row][column], np.ones((scale, scale, 1), np.uint8))
            assert np.array_equal(seen, np.broadcast_to(expected, seen.shape))
    assert (sheet[:, :EDGE][EDGE + HEADING :] == 255).all()
    assert (sheet[0] == 255).all()


def test_the_same_figure_has_the_same_bytes_whatever_the_users_settings(tmp_path: Path) -> None:
    def draw(folder: str) -> list[bytes]:
        figure = draw_panels([[panel(0), None]], "a title", ["a", "b"], ["a row"], "words below")
        return [file.read_bytes() for file in style.save(figure, tmp_path / folder / "panels")]

    first = draw("one")
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "svg.hashsalt": "another"}):
        assert draw("two") == first
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"panels.png", "panels.svg"}


def test_long_labels_and_titles_get_room(tmp_path: Path) -> None:
    plain = written(style.save(draw_panels([[panel(0)]], ""), tmp_path / "plain")[0])
    label = "a label far longer than the panel beside it"
    sheet = written(style.save(draw_panels([[panel(0)]], "", row_labels=[label]), tmp_path / "label")[0])
    dark = sheet.min(axis=(0, 2)) < 250
    assert sheet.shape[1] > plain.shape[1] + 200
    # between the words and the panel there is white
    start = sheet.shape[1] - EDGE - 14 * 4
    assert not dark[start - 4 : start].any()
    title = "a title of many words, " * 4
    wide = written(style.save(draw_panels([[panel(0)]], title), tmp_path / "title")[0])
    assert not (wide[:, -4:] < 250).any()


def test_a_missing_panel_leaves_its_place(tmp_path: Path) -> None:
    figure = draw_panels([[None, panel(0)], [panel(1), panel(2)]], "", scale=2)
    sheet = written(style.save(figure, tmp_path / "panels")[0])
    assert sheet.shape[0] == 2 * EDGE + 2 * 9 * 2 + GAP
    assert sheet.shape[1] == 2 * EDGE + 2 * 14 * 2 + GAP


def test_an_svg_shows_pixels_as_squares(tmp_path: Path) -> None:
    text = style.save(draw_panels([[panel(0)]], ""), tmp_path / "panels")[1].read_text()
    assert "pixelated" in text
    assert "<dc:date>" not in text
