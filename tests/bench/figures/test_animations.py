"""Animated pictures of real runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.figures import style
from bench.figures.animations import (
    BETWEEN,
    EDGE,
    LINE,
    STOPS,
    Format,
    Frame,
    draw_animations,
    progress_frames,
    save_animation,
    walk_frames,
)
from bench.figures.grid import read_grid, to_bytes
from bench.figures.points import read_points
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError

Runs = Callable[..., RunFolder]
STEPS = (4, 8, 9)  # evaluations of the tiny runs


def cells(sheet: np.ndarray, scale: int) -> np.ndarray:
    """The images of a sheet, (rows, columns, 28, 28)."""
    small = sheet[::scale, ::scale, 0]
    assert np.array_equal(np.kron(small, np.ones((scale, scale), np.uint8)), sheet[:, :, 0])
    rows, columns = ((side - 2) // 30 for side in small.shape)
    return np.array(
        [
            [small[2 + 30 * r : 30 + 30 * r, 2 + 30 * c : 30 + 30 * c] for c in range(columns)]
            for r in range(rows)
        ]
    )


def test_progress_shows_the_same_latents_at_every_evaluation(trained_run: Runs) -> None:
    run = trained_run("began")
    frames = progress_frames(run)
    part = "7 x 7 of the grid's 10 x 10 samples"
    assert [frame.label for frame in frames] == [f"step {step} of 9; {part}" for step in STEPS]
    assert max(frame.milliseconds for frame in frames[:-1]) < frames[-1].milliseconds
    for frame, step in zip(frames, STEPS, strict=True):
        shown, grid = cells(frame.pixels, 2), read_grid(run.samples / f"step-{step:08d}.png", 28)[..., 0]
        assert shown.shape[:2] == (7, 7)
        assert np.array_equal(shown, grid[:7, :7])


def test_of_many_evaluations_a_few_are_shown_the_first_and_the_last_among_them(
    trained_run: Runs, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "copy")
    shutil.copytree(trained_run("began").path, run.path)
    for step in range(10, 40):
        shutil.copy(run.samples / "step-00000009.png", run.samples / f"step-{step:08d}.png")
    frames = progress_frames(run, most=5)
    steps = [int(frame.label.split()[1]) for frame in frames]
    assert len(steps) == 5
    assert (steps[0], steps[-1]) == (4, 39)
    assert steps == sorted(set(steps))


def test_progress_of_points_shows_their_pictures(trained_run: Runs, tmp_path: Path) -> None:
    run = trained_run("began", points="ring-8")
    frames = progress_frames(run)
    assert [frame.label for frame in frames] == [f"step {step} of 9" for step in STEPS]
    for frame, path in zip(frames, sorted(run.samples.glob("*.png")), strict=True):
        assert np.array_equal(frame.pixels, read_points(path))
    assert [path.name for path in draw_animations(load(run), tmp_path)] == ["progress.webp"]


def test_a_walk_passes_latents_and_returns(trained_run: Runs) -> None:
    trained = load(trained_run("began-v3"))
    frames = walk_frames(trained)
    assert len(frames) == STOPS * BETWEEN
    assert frames[0].label == "G(z), from z1 to z2: 0%"
    assert frames[-1].label.startswith(f"G(z), from z{STOPS} to z1: 9")
    for stop in range(STOPS):
        expected = to_bytes(trained.generate(trained.pairs_of_latents(16, stop)[0]))[..., 0]
        shown = cells(frames[stop * BETWEEN].pixels, 3).reshape(16, 28, 28)
        # batches of another size may round otherwise
        assert np.abs(shown.astype(int) - expected).max() <= 1
    # neighbours differ less than images half a way apart, over the seam of the repetition too
    images = torch.tensor(np.array([frame.pixels for frame in frames])).float()
    near = (images - images.roll(-1, 0)).abs().mean(dim=(1, 2, 3))
    far = (images - images.roll(BETWEEN // 2, 0)).abs().mean(dim=(1, 2, 3))
    assert near.max() < far.mean()


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_files_are_small_repeat_without_end_and_are_the_same_each_time(
    form: Format, trained_run: Runs, tmp_path: Path
) -> None:
    run = trained_run("began")
    files = draw_animations(load(run), tmp_path / "first", form)
    assert [path.name for path in files] == [f"progress.{form}", f"walk.{form}"]
    again = draw_animations(load(run), tmp_path / "again", form)
    for path, other, count in zip(files, again, (len(STEPS), STOPS * BETWEEN), strict=True):
        assert path.read_bytes() == other.read_bytes()
        assert path.stat().st_size < 4_000_000
        with Image.open(path) as image:
            assert image.format == form.upper()
            assert (image.n_frames, image.info["loop"]) == (count, 0)
            assert max(image.size) < 500


@pytest.mark.parametrize("form", ["webp", "gif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_are_shown_below_their_labels(channels: int, form: str, tmp_path: Path) -> None:
    levels = (0, 120, 250)
    frames = [
        Frame(np.full((40, 50, channels), level, np.uint8), f"step {level}", 100 + 10 * level)
        for level in levels
    ]
    path = save_animation(frames, tmp_path / f"one.{form}", "a title that is wider than the picture")
    heads = []
    with Image.open(path) as image:
        for place, level in enumerate(levels):
            image.seek(place)
            image.load()
            pixels = np.asarray(image.convert("L")).astype(int)
            assert image.info["duration"] == 100 + 10 * level
            assert abs(np.median(pixels[-40 - EDGE : -EDGE, EDGE : EDGE + 50]) - level) <= 2
            head = pixels[: -40 - EDGE]
            assert head.min() < 100
            heads.append(head)
            # white on every side
            for side in (pixels[:EDGE], pixels[-EDGE:], pixels[:, :EDGE], pixels[:, -EDGE:]):
                assert side.min() > 240
    second = EDGE + LINE
    assert all(np.abs(heads[0][second:] - head[second:]).max() > 100 for head in heads[1:])


def test_the_letters_are_those_of_the_other_figures() -> None:
    from matplotlib.font_manager import FontProperties, findfont

    assert style.font_file().samefile(findfont(FontProperties(family=style.FONT)))


def test_a_damaged_grid_is_reported_in_one_line(trained_run: Runs, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "copy")
    shutil.copytree(trained_run("began").path, run.path)
    (run.samples / "step-00000008.png").write_bytes(b"no picture")
    with pytest.raises(WorkError, match="step-00000008.png cannot be read"):
        draw_animations(load(run), tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
