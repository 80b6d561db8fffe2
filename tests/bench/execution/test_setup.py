"""What a run on images of unknown content is warned of, records and is judged by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from bench.execution.progress import Progress
from bench.execution.reevaluation import reevaluate
from bench.execution.session import RunResult, start
from bench.health.verdict import RULES
from bench.runs.record import Evaluation, StepRow
from bench.system.errors import RequestError

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
def run(
    faces: Path,
    heard: Heard,
    small: SimpleNamespace,
    tmp_path_factory: pytest.TempPathFactory,
    cache_folder: Path,
) -> Iterator[RunResult]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        yield start(small.tiny("began", steps=2, dataset=f"folder:{faces}", channels=1), heard)


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
    assert CLASSES & set(RULES.collapsed_below)
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
