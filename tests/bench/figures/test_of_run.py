"""The figures of real runs."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.figures.of_run import draw_run, extractor_of, some_reals
from bench.runs import record
from bench.runs.data_location import samples_of
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, WorkError
from variants.registry import all_variants

VARIANTS = sorted(all_variants())
ALWAYS = {"trajectories", "triptych", "neighbours", "missing-bins", "interpolation-samples"}
Runs = Callable[..., RunFolder]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_finished_run_has_the_figures_that_its_variant_allows(name: str, trained_run: Runs) -> None:
    run = trained_run(name)
    trained = load(run)
    names = ALWAYS | {f"code-{code.name}" for code in trained.codes}
    names |= {"interpolation-encoded"} if trained.encodes else set()
    names |= {"classes"} if trained.class_names else set()
    expected = {f"{figure}{suffix}" for figure in names for suffix in (".png", ".svg")}
    assert {path.name for path in run.figures.iterdir()} == expected
    for path in run.figures.iterdir():
        assert 1000 < path.stat().st_size < 500_000


@pytest.mark.parametrize("name", ["began", "wgan-gp"])
def test_a_run_on_points_has_figures_of_the_plane(name: str, trained_run: Runs) -> None:
    run = trained_run(name, points="ring-8")
    names = {"trajectories", "points", "missing-bins", "samples-by-step"}
    if load(run).encodes:  # only then is there an error to show
        names.add("landscape")
    assert {path.stem for path in run.figures.glob("*.png")} == names
    assert {path.stem for path in run.figures.glob("*.svg")} == names
    for path in run.figures.iterdir():
        assert 1000 < path.stat().st_size < 500_000


@pytest.mark.parametrize(
    ("name", "points"), [("began-v3", ""), ("wgan-gp", ""), ("began", "ring-8"), ("wgan-gp", "ring-8")]
)
def test_figures_can_be_drawn_again_to_the_byte(
    name: str, points: str, trained_run: Runs, tmp_path: Path
) -> None:
    run = trained_run(name, points=points)
    before = run.record_path.read_bytes()
    files = draw_run(run, folder=tmp_path)
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert {file.name for file in files} == {path.name for path in run.figures.iterdir()}
    for file in files:
        assert file.read_bytes() == (run.figures / file.name).read_bytes(), file.name
    assert run.record_path.read_bytes() == before


def test_drawing_leaves_every_random_state(trained_run: Runs, tmp_path: Path) -> None:
    run = trained_run("began-v3")
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]
    draw_run(run, folder=tmp_path)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1])


def test_a_run_that_could_not_draw_has_finished_all_the_same(
    trained_run: Runs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from bench.execution.progress import Progress
    from bench.execution.session import draw

    run = trained_run("began")
    # no checkpoint, no data, no network: nothing that drawing needs is there
    broken = SimpleNamespace(array=None, judge=SimpleNamespace(extractor=None))
    draw(run, broken, Progress(quiet=True))  # type: ignore[arg-type]
    assert "try bench plot" in capsys.readouterr().err


def test_figures_are_of_the_checkpoint_that_was_asked_for(trained_run: Runs, tmp_path: Path) -> None:
    run = trained_run("began")
    kept = [saved.step for saved in record.read(run.record_path).checkpoints]
    there = sorted({load(run, "last").step, load(run, "best").step, kept[-2]})
    for step in there[:2]:
        draw_run(run, str(step), tmp_path / str(step))
    one, other = (tmp_path / str(step) / "triptych.png" for step in there[:2])
    assert one.read_bytes() != other.read_bytes()
    with pytest.raises(RequestError, match="does not exist"):
        draw_run(run, "77", tmp_path / "77")
    assert not (tmp_path / "77").exists()


def test_a_triptych_shows_real_and_reconstructed_and_generated_images(trained_run: Runs) -> None:
    run = trained_run("began")
    trained, real = load(run), some_reals(samples_of(run.describe()), 25)
    reconstructed = trained.reconstruct(real)
    assert reconstructed is not None
    with Image.open(run.figures / "triptych.png") as image:
        sheet = np.asarray(image.convert("L"))
    from bench.figures.grid import tiled, to_bytes

    for images in (real, reconstructed, trained.sample(25)):
        panel = tiled(to_bytes(images), 5)[:, :, 0]
        panel = np.kron(panel, np.ones((2, 2), np.uint8))
        assert any(
            np.array_equal(sheet[y : y + panel.shape[0], x : x + panel.shape[1]], panel)
            for y in range(40, 80)
            for x in range(0, sheet.shape[1] - panel.shape[1] + 1)
            if sheet[y + 4, x + 4] == panel[4, 4]
        )


def test_real_images_are_the_same_for_every_run_and_differ_by_seed(trained_run: Runs) -> None:
    array = samples_of(trained_run("began").describe())
    first = some_reals(array, 5)
    assert torch.equal(first, some_reals(array, 5))
    assert not torch.equal(first, some_reals(array, 5, seed=1))
    assert first.shape == (5, *array.samples.shape[1:])
    assert -1 <= first.min() < first.max() <= 1


def test_real_points_are_points_of_the_data(trained_run: Runs) -> None:
    array = samples_of(trained_run("began", points="ring-8").describe())
    real = some_reals(array, 5)
    assert real.shape == (5, 2)
    assert all((array.samples == point).all(axis=1).any() for point in real.numpy())


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("mnist-5k", "digits-garments"), ("stacked-mnist", "stacked-digits"), ("ring-8", "points")],
)
def test_neighbours_are_searched_with_the_extractor_of_the_run(
    dataset: str, name: str, trained_run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run("began", points=dataset if name == "points" else "")
    array = samples_of(run.describe())
    described = run.describe()
    config = described.config.model_copy(update={"dataset": dataset})
    monkeypatch.setattr(RunFolder, "describe", lambda _: described.model_copy(update={"config": config}))
    assert extractor_of(run, array).name == name


def test_changed_data_are_refused(trained_run: Runs, tmp_path: Path) -> None:
    run = trained_run("began")
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    description = run.describe()
    data = description.data.model_copy(update={"hash": "0" * 64})
    copy.write_description(description.model_copy(update={"data": data}))
    with pytest.raises(WorkError, match="changed"):
        draw_run(copy, folder=tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
