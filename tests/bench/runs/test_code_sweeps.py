"""Grids that sweep codes: which latents are in which cell, in figures and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.cli import main
from bench.figures.grid import read_grid, to_bytes
from bench.runs.code_sweeps import code_named, sweep
from bench.runs.generator import TrainedGenerator, load
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError
from variants.latent_codes import LatentCode

VALUES = {"latent_dim": 5, "categories": 4, "continuous_codes": 2, "steps": 2, "eval_every": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("swept")


@pytest.fixture(scope="module")
def runs(home: Path, cache_folder: Path, small: SimpleNamespace) -> dict[str, RunFolder]:
    """Runs of a variant with codes, on images and on points, and of a conditional one with none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        points = {"preset": "points", "dataset": "ring-8"}
        wanted = {
            "images": small.tiny("infogan", **VALUES, figures=True),
            "points": small.tiny("infogan", **VALUES, **points),
            "classes": small.tiny("cgan", steps=2, eval_every=2),
        }
        return {name: small.run(configuration).run for name, configuration in wanted.items()}


@pytest.fixture
def trained(runs: dict[str, RunFolder]) -> TrainedGenerator:
    return load(runs["images"], "last")


def code(trained: TrainedGenerator, name: str) -> LatentCode:
    return code_named(trained, name)


def test_a_categorical_code_has_a_row_a_category_and_the_same_latents_in_each(
    trained: TrainedGenerator,
) -> None:
    found = sweep(trained, code(trained, "category-1"), columns=3, seed=2)
    assert found.row_labels == tuple(f"category-1 {number}" for number in range(4))
    assert found.samples.shape == (4, 3, 1, 28, 28)
    latents = trained.latents(3, seed=2)
    for category, row in enumerate(found.samples):
        latents[:, 5:9] = torch.eye(4)[category]
        torch.testing.assert_close(row, trained.generate(latents), rtol=1e-4, atol=1e-5)


def test_a_continuous_code_rises_along_rows_that_are_categories(trained: TrainedGenerator) -> None:
    found = sweep(trained, code(trained, "continuous-2"), columns=5, seed=2)
    assert found.samples.shape == (4, 5, 1, 28, 28)
    assert found.row_labels == tuple(f"category-1 {number}" for number in range(4))
    for category, row in enumerate(found.samples):
        latents = trained.latents(1, seed=2).repeat(5, 1)
        latents[:, 5:9] = torch.eye(4)[category]
        latents[:, 10] = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
        torch.testing.assert_close(row, trained.generate(latents), rtol=1e-4, atol=1e-5)


def with_one_code(monkeypatch: pytest.MonkeyPatch) -> LatentCode:
    """A variant whose only code is the first column of its latents."""
    declared = LatentCode("angle", "continuous", 0)
    monkeypatch.setattr(TrainedGenerator, "codes", (declared,))
    return declared


def test_rows_are_different_latents_where_nothing_is_categorical(
    trained: TrainedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sweep(trained, with_one_code(monkeypatch), columns=2)
    assert (found.samples.shape[:2], found.row_labels) == ((10, 2), ())
    latents = trained.latents(10)
    latents[:, 0] = 1.0
    torch.testing.assert_close(found.samples[:, 1], trained.generate(latents), rtol=1e-4, atol=1e-5)


def test_rows_are_the_classes_of_a_conditional_run(
    runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = load(runs["classes"], "last")
    found = sweep(trained, with_one_code(monkeypatch), columns=2)
    assert found.row_labels == trained.class_names
    latents = trained.latents(1, label=3)
    latents[:, 0] = -1.0
    torch.testing.assert_close(found.samples[3, :1], trained.generate(latents), rtol=1e-4, atol=1e-5)


def test_figures_of_a_run_have_a_grid_for_each_code_and_a_conditional_run_one_of_classes(
    runs: dict[str, RunFolder],
) -> None:
    names = {path.name for path in runs["images"].figures.glob("code-*")}
    codes = ("category-1", "continuous-1", "continuous-2")
    assert names == {f"code-{name}{suffix}" for name in codes for suffix in (".png", ".svg")}


def test_paths_keep_the_category_and_mix_the_rest(trained: TrainedGenerator) -> None:
    start, end = trained.pairs_of_latents(6)
    assert torch.equal(start[:, 5:9], end[:, 5:9])
    assert not torch.equal(start[:, 9:], end[:, 9:])
    for path in ("linear", "slerp"):
        points = trained.path(start, end, 5, path)
        torch.testing.assert_close(points[:, :, 5:9], start[:, None, 5:9].expand(6, 5, 4))
        assert torch.equal(points[:, 0], start)
        assert torch.equal(points[:, -1], end)


@pytest.fixture
def command(
    home: Path,
    runs: dict[str, RunFolder],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that samples a run by the command line."""
    monkeypatch.setenv("BENCH_HOME", str(home))

    def run(name: str, *words: str) -> tuple[int, str, str]:
        status = main(["sample", runs[name].id, "--checkpoint", "last", *words])
        return status, *capsys.readouterr()

    return run


def test_sample_draws_the_grid_of_a_code(
    command: Callable[..., tuple[int, str, str]], trained: TrainedGenerator
) -> None:
    status, out, _ = command("images", "--code", "continuous-1", "--count", "6", "--seed", "3", "--json")
    told = json.loads(out)
    assert (status, told["code"], told["count"]) == (0, "continuous-1", 24)
    assert Path(told["file"]).name == "samples-code-continuous-1-step-00000002-seed-3.png"
    expected = sweep(trained, code(trained, "continuous-1"), columns=6, seed=3).samples
    from PIL import Image

    with Image.open(told["file"]) as image:
        width = image.width
        grid = image.crop((width - 2 * (6 * 30 + 2), 0, width, image.height))
        grid.save(Path(told["file"]).with_name("without-labels.png"))
    cells = read_grid(Path(told["file"]).with_name("without-labels.png"), 28)
    assert cells.reshape(24, 28, 28, 1).tolist() == to_bytes(expected.flatten(0, 1)).tolist()


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("images", ["--code", "category"], "category-1"),
        ("images", ["--code", "category-1", "--class", "3"], "--code and --class are different grids"),
        ("images", ["--code", "continuous-1", "--count", "1"], "--count 1 of a code: allowed are 2 to 1000"),
        ("images", ["--code", "continuous-1", "--out", "x.npz"], "--code is an option of grids"),
        ("classes", ["--code", "category-1"], "cgan declares no codes of its latents"),
        ("points", ["--code", "category-1"], "makes points, grids show images"),
    ],
)
def test_sample_refuses_what_has_no_grid_of_a_code(
    command: Callable[..., tuple[int, str, str]], name: str, words: list[str], message: str
) -> None:
    status, out, error = command(name, *words)
    assert (status, out) == (2, "")
    assert message in error


def test_an_unknown_code_is_refused_with_those_that_there_are(trained: TrainedGenerator) -> None:
    with pytest.raises(RequestError, match="continuous-2"):
        code_named(trained, "continuous-3")
