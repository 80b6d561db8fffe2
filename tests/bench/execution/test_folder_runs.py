"""Runs on a folder of grey images: what they are judged by, and where their images may move."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from bench.cli import main
from bench.comparing.comparable import require_comparable
from bench.comparing.frame import results
from bench.comparing.groups import with_groups
from bench.comparing.summary import summarise
from bench.execution.progress import Progress
from bench.execution.reevaluation import reevaluate
from bench.execution.session import RunResult, resume, start
from bench.health.verdict import RULES
from bench.runs.record import Evaluation, StepRow
from bench.runs.run_folder import find
from bench.system.errors import RequestError
from bench.training.trainer import Interrupted

CLASSES = {"classes_covered", "effective_classes", "is_digits_garments", "is_digits_garments_10_splits"}


@dataclass
class Heard(Progress):
    """Keeps warnings, and how many steps had been taken at each."""

    warnings: list[tuple[str, int]] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        super().__init__(quiet=True)

    def warning(self, message: str) -> None:
        self.warnings.append((message, self.steps))

    def on_steps(self, rows: list[StepRow]) -> None:
        self.steps += len(rows)

    def on_evaluation(self, evaluation: Evaluation, grid: Tensor) -> None:
        pass


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of grey images of unknown content; its subfolders have names of the network's classes."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for number in range(40):
        path = folder / f"digit {number % 2}" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def moved(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images elsewhere, as on another machine."""
    return Path(shutil.copytree(faces, tmp_path_factory.mktemp("other") / "people"))


@pytest.fixture(scope="module")
def runs(
    faces: Path, moved: Path, heard: Heard, home: Path, small: SimpleNamespace, cache_folder: Path
) -> list[RunResult]:
    """A run on the images, and one of another seed on the copy of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        patch.chdir(moved.parent)
        first = small.tiny("began", steps=2, dataset=f"folder:{faces}", channels=1)
        second = small.tiny("began", steps=2, dataset="folder:people", channels=1, seed=1)
        return [start(first, heard), start(second, Heard())]


@pytest.fixture
def run(runs: list[RunResult]) -> RunResult:
    return runs[0]


@pytest.fixture
def away(faces: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of the first run is gone for the time of a test."""
    monkeypatch.setenv("BENCH_HOME", str(home))
    hidden = faces.rename(faces.with_name("hidden"))
    yield
    hidden.rename(faces)


def test_a_warning_before_the_first_step_says_what_the_judge_was_trained_for(
    run: RunResult, heard: Heard, faces: Path
) -> None:
    said = [(words, step) for words, step in heard.warnings if "trained on" in words]
    (words, step), *others = said
    assert not others
    assert step == 0
    assert "digits-garments was trained on digits and garments" in words
    assert f"what folder:{faces.name} shows is not known" in words
    assert "nothing is measured of classes" in words


def test_nothing_of_classes_is_recorded_and_the_verdict_has_nothing_of_them(run: RunResult) -> None:
    values = run.record.evaluations[-1].values
    assert {"fd_digits_garments", "precision", "coverage", "vendi"} <= set(values)
    for names in (values, run.description.metrics, run.description.real):
        assert not CLASSES & set(names)
        assert not any("agreement" in name for name in names)
    assert CLASSES & {sign.metric for sign in RULES.collapse}
    assert "outside its training" in run.description.protocol


def test_a_metric_of_classes_is_refused_with_the_reason(run: RunResult) -> None:
    with pytest.raises(RequestError, match="classes_covered is not measured: .* was trained on digits"):
        reevaluate(run.run, Heard(), metrics=["classes_covered"])


def test_digits_have_no_warning_and_all_metrics(small: SimpleNamespace) -> None:
    heard = Heard()
    found = start(small.tiny("began", steps=1), heard)
    assert not [words for words, _ in heard.warnings if "trained on" in words]
    assert set(found.description.metrics) >= CLASSES
    assert "training" not in found.description.protocol


def test_the_path_is_recorded_absolute(runs: list[RunResult], faces: Path, moved: Path) -> None:
    assert [each.description.config.dataset for each in runs] == [f"folder:{faces}", f"folder:{moved}"]


def test_seeds_of_the_same_images_in_two_folders_are_one_group(
    runs: list[RunResult], home: Path, monkeypatch: pytest.MonkeyPatch, faces: Path, moved: Path
) -> None:
    monkeypatch.setenv("BENCH_HOME", str(home))
    frame = results()
    assert frame["protocol"].nunique() == 1
    require_comparable(frame, ["fd_digits_garments", "M"])
    summary = summarise(with_groups(frame), with_groups(frame), ["fd_digits_garments"])
    assert list(summary.table["runs"]) == [2]
    assert set(frame["dataset"]) in ({f"folder:{faces}"}, {f"folder:{moved}"})  # begun in the same second
    monkeypatch.chdir(moved.parent)
    assert list(results(dataset="folder:people")["run_id"]) == [runs[1].run.id]
    # as tables print it, and by its own name
    for name in (f"folder:{faces.name}", faces.name):
        assert list(results(dataset=name)["run_id"]) == [runs[0].run.id]


@pytest.mark.parametrize(
    "command",
    [("eval",), ("verify",), ("plot",), ("interpolate", "--between", "reals")],
    ids=lambda words: words[0],
)
def test_where_the_folder_moved_a_command_takes_its_new_place_and_no_other_images(
    command: tuple[str, ...],
    run: RunResult,
    away: None,
    moved: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, *further = command
    words = [name, run.run.id, *further]
    out = (
        []
        if name in ("eval", "verify")
        else ["--out", str(tmp_path / ("out" if name == "plot" else "out.png"))]
    )
    assert main(words + out) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "name their folder by --data PATH" in line

    others = Path(shutil.copytree(moved, tmp_path / "others"))
    next(others.rglob("*.png")).unlink()
    assert main([*words, *out, "--data", str(others)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"has other data than run {run.description.name} was trained on" in line
    assert not list(tmp_path.glob("out*"))

    assert main([*words, *out, "--data", str(moved), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    if name == "eval":
        assert report["recorded"] == report["values"] == run.record.evaluations[-1].values
    if name == "verify":
        assert report["verified"]
        assert report["exact"]
    if out:
        assert list(tmp_path.glob("out*"))


def test_a_run_on_mirrored_crops_of_a_zip_file_resumes_to_the_bit_without_the_held_out_images(
    faces: Path, small: SimpleNamespace, tmp_path: Path
) -> None:
    packed = shutil.make_archive(str(tmp_path / "faces"), "zip", faces)
    given = {"dataset": f"folder:{packed}", "channels": 1, "crop": "centre:24", "held_out": 0.3}
    plain = small.run(small.tiny("began", **given))
    asked = small.tiny("began", **given, flip=True)
    whole = small.run(asked)
    with pytest.raises(Interrupted) as name:
        start(asked, small.StopAfter(5))
    resumed = resume(find(str(name.value)), Progress(quiet=True))
    assert small.numbers(resumed.run) == small.numbers(whole.run) != small.numbers(plain.run)
    data, unmirrored = whole.description.data, plain.description.data
    assert data.hash == unmirrored.hash
    assert 14 <= data.count <= 38
    mirrored = "; mirrored from left to right in half of the images of every batch, in none of the reference"
    assert data.transform == unmirrored.transform + mirrored
    assert "; centre 24x24; " in data.transform
    assert "; without the share 0.3 held out" in data.transform
    # the judge's reference is the training samples as they are
    assert f"reference train {data.count}@{data.hash[:8]}" in whole.description.protocol
    assert whole.description.protocol == plain.description.protocol
