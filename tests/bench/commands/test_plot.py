"""bench plot, sample, interpolate and export as their users meet them."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.cli import main
from bench.figures.grid import read_grid, to_bytes
from bench.figures.of_run import some_reals
from bench.figures.points import read_points
from bench.runs import record
from bench.runs.data_location import samples_of
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder

Runs = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def trained_run(small: SimpleNamespace, home: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("BENCH_HOME", str(home))

    def give(variant: str, points: bool = False) -> RunFolder:
        found = home / f"{variant}{'-points' if points else ''}"
        if not found.exists():
            values = {"dataset": "ring-8", "preset": "points", "figures": False} if points else {}
            found.write_text(small.run(small.tiny(variant, **{"figures": True} | values)).run.id)
        return RunFolder(home / "mlruns" / "runs" / found.read_text())

    return give


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_grid_of_samples_is_those_of_the_seed(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run("began")
    out = tmp_path / "new" / "grid.png"
    words = ("--count", "12", "--seed", "3", "--checkpoint", "last", "--out", str(out))
    report = answer(capsys, "sample", run.id, *words)
    assert report["file"] == str(out)
    assert report["step"] == 9
    cells = read_grid(out, 28).reshape(-1, 28, 28, 1)[:12]
    assert np.array_equal(cells, to_bytes(load(run, "last").sample(12, 3)))
    assert list(out.parent.iterdir()) == [out]


def test_points_are_drawn_as_points_of_the_plane(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = trained_run("began", points=True), tmp_path / "points.png"
    assert answer(capsys, "sample", run.id, "--out", str(out))["count"] == 2000
    default = read_points(out)
    assert answer(capsys, "sample", run.id, "--count", "7", "--out", str(out))["count"] == 7
    assert (default < 200).sum() > (read_points(out) < 200).sum()


def test_points_in_a_file_are_judged_as_in_the_run(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = trained_run("began", points=True), tmp_path / "points.npz"
    words = shlex.split(
        str(answer(capsys, "sample", run.id, "--checkpoint", "last", "--out", str(out))["judge"])
    )
    judged = answer(capsys, *words[1:])
    assert judged["values"] == record.read(run.record_path).evaluations[-1].values
    assert judged["real"] == run.describe().real
    assert judged["shape"] == [2]
    assert main(["sample", run.id, "--out", str(tmp_path / "folder")]) == 2
    assert "points are no images: write them to FILE.npz" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [out]


def test_points_are_exported_as_points(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = trained_run("began", points=True), tmp_path / "generator.pt2"
    assert answer(capsys, "export", run.id, "--out", str(out))["output"] == ["batch", 2]
    trained = load(run)
    points = torch.export.load(out).module()(trained.latents(5))
    torch.testing.assert_close(points.detach(), trained.sample(5))
    assert main(["export", run.id, "--out", str(out)]) == 0
    assert "to points N x 2" in capsys.readouterr().out


def test_without_out_pictures_go_to_the_runs_figures(
    trained_run: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run("began")
    for words in (("sample",), ("interpolate", "--rows", "2", "--steps", "3")):
        report = answer(capsys, words[0], run.id, *words[1:])
        path = Path(str(report["file"]))
        assert path.parent == run.figures
        assert path.exists()
        path.unlink()


@pytest.mark.parametrize("between", ["samples", "reals"])
@pytest.mark.parametrize("path", ["linear", "slerp"])
def test_an_interpolation_is_a_row_for_each_path(
    path: str, between: str, trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = trained_run("began-v3"), tmp_path / "grid.png"
    words = ("--path", path, "--between", between, "--rows", "3", "--steps", "4", "--out", str(out))
    answer(capsys, "interpolate", run.id, *words)
    cells = read_grid(out, 28)
    assert cells.shape == (3, 4, 28, 28, 1)
    trained = load(run)
    if between == "samples":
        latents = trained.latents(6)
        expected = trained.interpolate(latents[:3], latents[3:], 4, path)
        assert np.array_equal(cells.reshape(12, 28, 28, 1), to_bytes(expected.flatten(0, 1)))


def test_inverted_reals_are_joined_by_samples_and_the_report_has_the_error_that_remains(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = trained_run("wgan-gp"), tmp_path / "grid.png"
    words = ["--between", "reals", "--invert", "--rows", "3", "--steps", "4", "--out", str(out)]
    budget = ["--invert-steps", "20", "--invert-rate", "0.1"]
    report = answer(capsys, "interpolate", run.id, *words, *budget)
    trained = load(run)
    reals = some_reals(samples_of(run.describe()), 6, 0)
    found = trained.invert(reals, steps=20, learning_rate=0.1)
    assert report["invert_steps"] == 20
    assert report["invert_rate"] == 0.1
    assert report["errors_per_pixel"] == pytest.approx(found.errors.tolist())
    assert report["error_per_pixel"] == pytest.approx(found.errors.mean().item())
    cells = read_grid(out, 28)
    assert cells.shape == (3, 6, 28, 28, 1)
    between = trained.interpolate(found.latents[:3], found.latents[3:], 4)
    shown = torch.cat((reals[:3, None], between, reals[3:, None]), dim=1)
    assert np.array_equal(cells.reshape(18, 28, 28, 1), to_bytes(shown.flatten(0, 1)))
    assert main(["interpolate", run.id, *words, *budget]) == 0
    path, line = capsys.readouterr().out.splitlines()
    assert path == str(out)
    assert f"{found.errors.mean():.4f}, at most" in line
    assert "20 steps of Adam at 0.1" in line


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_an_exported_file_is_written_and_described(
    suffix: str, trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = trained_run("began"), tmp_path / f"generator{suffix}"
    report = answer(capsys, "export", run.id, "--out", str(out))
    assert report["input"] == ["batch", 6]
    assert report["output"] == ["batch", 1, 28, 28]
    assert list(tmp_path.iterdir()) == [out]
    if suffix == ".pt2":
        trained = load(run)
        images = torch.export.load(out).module()(trained.latents(5))
        torch.testing.assert_close(images.detach(), trained.generator(trained.latents(5)).detach())


def test_plot_draws_each_run_into_a_folder_of_its_own(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [trained_run("began"), trained_run("began-v3")]
    report = answer(capsys, "plot", runs[0].id, runs[1].id, runs[0].id, "--out", str(tmp_path))
    files = report["files"]
    assert isinstance(files, list)
    assert len(files) == len(set(files)) == 28
    for run in runs:
        assert {"progress.webp", "walk.webp"} <= {
            path.name for path in (tmp_path / run.describe().name).iterdir()
        }
    assert {path.name for path in tmp_path.iterdir()} == {run.describe().name for run in runs}
    assert all(Path(file).exists() for file in files)
    # evaluations at steps 4, 8 and 9
    assert report["notes"] == [
        f"progress.webp of {run.describe().name}: 3 frames, one per evaluation; a run with --set "
        "eval_every=1 has more"
        for run in runs
    ]


def test_plot_draws_one_run_where_it_is_told_or_into_its_figures(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run("began")
    words = ("plot", run.id, "--animation", "none")
    report = answer(capsys, *words, "--checkpoint", "last", "--out", str(tmp_path))
    assert report["notes"] == []
    assert (tmp_path / "triptych.svg").exists()
    assert not [*tmp_path.glob("*.webp"), *tmp_path.glob("*.gif")]
    (run.figures / "triptych.svg").unlink()
    answer(capsys, *words)
    assert (run.figures / "triptych.svg").exists()


@pytest.mark.parametrize("words", [("sample",), ("interpolate", "--steps", "2"), ("export",)])
def test_outputs_may_have_names_that_are_not_utf8(
    words: tuple[str, ...], trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / os.fsdecode(b"caf\xe9" + (b".pt2" if words[0] == "export" else b".png"))
    report = answer(capsys, words[0], trained_run("began").id, *words[1:], "--out", str(out))
    assert report["file"] == str(out)
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [os.fsencode(out.name)]


def test_plot_with_a_selection_compares(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_run("began"), trained_run("began-v3")
    words = ("--variant", "began,began-v3", "--dataset", "mnist-5k")
    words += ("--steps", "4,9", "--out", str(tmp_path))
    report = answer(capsys, "plot", *words)
    assert isinstance(report["files"], list)
    assert {Path(file).name for file in report["files"]} == {
        "trajectories.png",
        "trajectories.svg",
        "samples-by-step.png",
        "samples-by-step.svg",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plot"], "nothing to plot"),
        (["plot", "nothing", "--out", "OUT"], "does not exist"),
        (["plot", "RUN", "nothing", "--out", "OUT"], "does not exist"),
        (["plot", "RUN", "--checkpoint", "5", "--out", "OUT"], "checkpoint '5'"),
        (["plot", "RUN", "--variant", "began", "--out", "OUT"], "either RUNs or a selection"),
        (["plot", "RUN", "--steps", "4", "--out", "OUT"], "--steps is an option of comparisons"),
        (["plot", "--variant", "began"], "--out DIR"),
        (
            ["plot", "--variant", "began", "--checkpoint", "last", "--out", "OUT"],
            "is an option of single runs",
        ),
        (["plot", "--variant", "began", "--animation", "gif", "--out", "OUT"], "--animation is an option of"),
        (["plot", "RUN", "--animation", "mp4", "--out", "OUT"], "webp"),
        (["plot", "--variant", "began-v9", "--out", "OUT"], "began-v9"),
        (["plot", "--variant", "began", "--steps", "4;8", "--out", "OUT"], "whole numbers"),
        (["plot", "--variant", "began", "--steps", "5", "--out", "OUT"], "there are 4, 8, 9"),
        (["plot", "--where", "seed == 99", "--out", "OUT"], "no runs"),
        (["sample", "RUN", "--count", "0"], "count"),
        (["sample", "RUN", "--out", "OUT.jpg"], ".png"),
        (["sample", "RUN", "--checkpoint", "77", "--out", "OUT.png"], "checkpoint '77'"),
        (["interpolate", "RUN", "--path", "curved"], "linear"),
        (["interpolate", "RUN", "--steps", "1"], "steps"),
        (["interpolate", "POINTS"], "makes 2-D points: bench interpolate draws images"),
        (
            ["interpolate", "CRITIC", "--between", "reals", "--out", "OUT.png"],
            "no encoder; allowed are --inv",
        ),
        (["interpolate", "RUN", "--invert", "--out", "OUT.png"], "--invert is an option of --between reals"),
        (["interpolate", "POINTS", "--between", "reals", "--invert"], "makes 2-D points"),
        (["interpolate", "RUN", "--between", "reals", "--invert-steps", "9"], "is an option of --invert"),
        (["interpolate", "RUN", "--between", "reals", "--invert-rate", "9"], "is an option of --invert"),
        (["interpolate", "RUN", "--between", "reals", "--invert", "--invert-steps", "0"], "range"),
        (["interpolate", "RUN", "--between", "reals", "--invert", "--invert-rate", "nan"], "range"),
        (["export", "RUN", "--out", "OUT.pt"], ".pt2, .onnx"),
        (["export", "nothing", "--out", "OUT.pt2"], "does not exist"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing_behind(
    words: list[str],
    message: str,
    trained_run: Runs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"RUN": trained_run("began").id, "CRITIC": trained_run("wgan-gp").id}
    names["POINTS"] = trained_run("began", points=True).id
    before = sorted(trained_run("began").path.rglob("*"))
    capsys.readouterr()
    given = [names.get(word, word.replace("OUT", str(tmp_path / "out" / "file"))) for word in words]
    assert main(given) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert captured.out == ""
    assert not list(tmp_path.iterdir())
    assert sorted(trained_run("began").path.rglob("*")) == before


def test_a_place_that_cannot_be_written_ends_in_one_line(
    trained_run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["sample", trained_run("began").id, "--out", str(tmp_path / "file" / "grid.png")]) == 2
    assert "cannot be written" in capsys.readouterr().err
