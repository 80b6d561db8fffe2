"""The figures of a comparison of real runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.comparing.frame import results
from bench.figures import style
from bench.figures.grid import read_grid
from bench.figures.of_comparison import draw_comparison, drawn_scalars
from bench.figures.of_run import draw_trajectories
from bench.figures.points import read_points
from bench.figures.samples_by_step import draw_samples_by_step, judged_steps, shared_steps
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError

Runs = Callable[..., RunFolder]
NAMES = {f"{name}{suffix}" for name in ("trajectories", "samples-by-step") for suffix in (".png", ".svg")}


def test_a_comparison_has_both_figures_and_repeats(trained_run: Runs, tmp_path: Path) -> None:
    for variant, seed in (("began", 0), ("began", 1), ("wgan-gp", 0)):
        trained_run(variant, seed)
    files = draw_comparison(results(dataset="mnist-5k"), tmp_path / "one")
    assert {file.name for file in files} == NAMES
    for file, again in zip(
        files, draw_comparison(results(dataset="mnist-5k"), tmp_path / "two"), strict=True
    ):
        assert file.read_bytes() == again.read_bytes()


def test_a_critic_alone_has_the_figures_of_its_own_scalars(trained_run: Runs, tmp_path: Path) -> None:
    trained_run("wgan-gp")
    frame = results(variant="wgan-gp", dataset="mnist-5k")
    assert {file.name for file in draw_comparison(frame, tmp_path / "own", [4, 9])} == NAMES
    assert [scalar.name for scalar in drawn_scalars(frame)] == ["wasserstein"]
    # a frame that does not say what its runs declare has samples alone
    unknown = draw_comparison(frame.drop(columns="scalars"), tmp_path / "unknown", [4, 9])
    assert {file.name for file in unknown} == {"samples-by-step.png", "samples-by-step.svg"}


def test_the_curves_of_both_figures_end_with_the_numbers_of_the_table(
    trained_run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run("began")
    copy = RunFolder(tmp_path / "mlruns" / "runs" / run.id)
    copy.path.mkdir(parents=True)
    copy.description_path.write_text(run.description_path.read_text())
    lines = run.record_path.read_text().splitlines()
    ends = [json.loads(line) | {"step": 450} for line in lines if "event" in line][-3:]
    draws = np.random.default_rng(0).uniform(0.1, 0.9, 450)
    steps = [{"step": step, "M": value, "k": 0.1} for step, value in enumerate(draws, 1)]
    rows = [json.loads(lines[0]), *steps, *ends]
    copy.record_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    drawn: list[Any] = []
    monkeypatch.setattr(style, "save", lambda figure, path: drawn.append(figure) or [])
    frame = results()
    draw_trajectories(copy, tmp_path)
    draw_comparison(frame, tmp_path)
    expected = draws[-4:].mean()
    label = next(scalar.panel.label for scalar in drawn_scalars(frame) if scalar.name == "M" and scalar.panel)
    assert frame["M"].tolist() == pytest.approx([expected])
    of_run, of_seeds = (
        next(axis for axis in figure.axes if axis.get_ylabel() == label) for figure in drawn[:2]
    )
    smooth = next(line for line in of_run.lines if "mean" in str(line.get_label()))
    assert smooth.get_ydata()[-1] == pytest.approx(expected)
    assert of_seeds.lines[0].get_ydata()[-1] == pytest.approx(expected)


def test_the_title_names_scalars_whose_values_cannot_be_compared(
    trained_run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.figures import of_comparison

    titles: list[str] = []
    monkeypatch.setattr(of_comparison, "compare_trajectories", lambda *of: titles.append(of[-1]) or [])
    for variant, seed in (("began", 0), ("began", 1), ("wgan-gp", 0)):
        trained_run(variant, seed)
    frame = results(dataset="mnist-5k")
    draw_comparison(frame, tmp_path)
    draw_comparison(frame.assign(norm=["l1" if seed else "l2" for seed in frame["seed"]]), tmp_path)
    assert titles == [
        "mnist-5k: training over seeds",
        "mnist-5k: training over seeds\nM of runs that differ in norm: compare its course, not its values",
    ]


@pytest.mark.parametrize("steps", [[4, 5], [77]])
def test_a_step_that_was_not_judged_is_refused_and_nothing_is_drawn(
    steps: list[int], trained_run: Runs, tmp_path: Path
) -> None:
    trained_run("began")
    with pytest.raises(RequestError, match="there are 4, 8, 9"):
        draw_comparison(results(dataset="mnist-5k"), tmp_path / "figures", steps)
    assert not (tmp_path / "figures").exists()


def test_runs_on_points_are_compared_by_their_pictures(trained_run: Runs, tmp_path: Path) -> None:
    run = trained_run("began", points="ring-8")
    trained_run("wgan-gp", points="ring-8")
    files = draw_comparison(results(dataset="ring-8"), tmp_path)
    assert {file.name for file in files} == NAMES
    with Image.open(tmp_path / "samples-by-step.png") as image:
        sheet = np.asarray(image.convert("RGB"))
    cell = read_points(run.samples / "step-00000009.png")
    starts = np.argwhere((sheet[: -len(cell), : -len(cell)] == cell[0, 0]).all(axis=2))
    assert any(np.array_equal(sheet[y : y + len(cell), x : x + len(cell)], cell) for y, x in starts)


def test_no_runs_are_refused(trained_run: Runs, tmp_path: Path) -> None:
    trained_run("began")
    with pytest.raises(RequestError, match="no runs"):
        draw_comparison(results(where="seed == 99"), tmp_path)


def test_shared_steps_are_evenly_spread(trained_run: Runs) -> None:
    runs = [trained_run("began"), trained_run("wgan-gp")]
    assert judged_steps(runs[0]) == [4, 8, 9]
    assert shared_steps(runs) == [4, 8, 9]
    assert shared_steps(runs, 2) == [4, 9]
    assert shared_steps([]) == []


def test_a_cell_is_the_corner_of_the_saved_grid(trained_run: Runs, tmp_path: Path) -> None:
    from bench.figures import style

    run = trained_run("began")
    figure = draw_samples_by_step([run], [4, 9])
    with Image.open(style.save(figure, tmp_path / "cells")[0]) as image:
        sheet = np.asarray(image.convert("L"))
    size = run.describe().config.image_size
    for step in (4, 9):
        cell = read_grid(run.samples / f"step-{step:08d}.png", size)[1, 2, :, :, 0]
        big = np.kron(cell, np.ones((4, 4), np.uint8))
        windows = np.lib.stride_tricks.sliding_window_view(sheet, big.shape)
        starts = np.argwhere((windows[:, :, 0, 0] == big[0, 0]) & (windows[:, :, -1, -1] == big[-1, -1]))
        assert any(
            np.array_equal(windows[y, x], big) for y, x in starts if (windows[y, x, 7] == big[7]).all()
        )
