"""Runs of a conditional variant on labelled data: trained, resumed, judged, sampled by class, exported."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench import configuration
from bench.cli import main
from bench.configuration import Configuration
from bench.execution.progress import Progress
from bench.execution.reevaluation import reevaluate
from bench.execution.session import resume, start
from bench.figures import of_run
from bench.figures.grid import read_grid, to_bytes
from bench.runs import checkpoint, record, run_folder
from bench.runs.generator import TrainedGenerator
from bench.runs.generator import load as load_trained
from bench.runs.result import RunResult
from bench.system.errors import RequestError, WorkError
from bench.training.cost import cost
from bench.training.memory import estimate
from bench.training.trainer import Interrupted
from variants.cgan import Cgan

DATA = {"mnist-5k": 10, "ring-8": 8}
STEPS = 20
VALUES: dict[str, Any] = {
    "steps": STEPS, "filters": 8, "latent_dim": 6, "batch_size": 8, "eval_every": 10, "eval_samples": 200,
    "checkpoint_every": 5, "extractor": "shipped", "figures": False, "tracking": False, "device": "cpu",
    "threads": 1, "micro_batches": 1,
}  # fmt: skip
data_sets = pytest.mark.parametrize("dataset", DATA)


def configured(dataset: str, **values: Any) -> Configuration:
    size = {"image_size": 28 if dataset == "mnist-5k" else None}
    return Configuration(Cgan, "quick", VALUES | size | {"dataset": dataset} | values)


def train(dataset: str, **values: Any) -> RunResult:
    return start(configured(dataset, **values), Progress(quiet=True))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> dict[str, RunResult]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        return {dataset: train(dataset, ema_decay=0.9) for dataset in DATA}


@pytest.fixture
def trained(runs: dict[str, RunResult], dataset: str) -> TrainedGenerator:
    return load_trained(runs[dataset].run, "last")


@pytest.fixture
def home(runs: dict[str, RunResult], monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the trained runs."""
    monkeypatch.setenv("BENCH_HOME", str(runs["mnist-5k"].run.path.parents[2]))


def classes_of(latents: torch.Tensor, dataset: str) -> list[int]:
    one_hot = latents[:, -DATA[dataset] :]
    assert torch.equal(one_hot.sum(1), torch.ones(len(latents)))
    return one_hot.argmax(1).tolist()


def weights(run: run_folder.RunFolder) -> dict[str, bytes]:
    state = checkpoint.read(run.checkpoint_files()[0], run.origin())
    averages = state["averages"]["generator"]
    return {name: value.numpy().tobytes() for name, value in {**state["variant"], **averages}.items()}


@data_sets
def test_run_json_names_the_classes_and_the_hash_of_the_labels(
    runs: dict[str, RunResult], dataset: str
) -> None:
    data = runs[dataset].run.describe().data
    assert len(data.classes) == DATA[dataset]
    assert data.classes[3] == {"mnist-5k": "digit 3", "ring-8": "mode 3"}[dataset]
    assert len(data.labels_hash) == 64


@data_sets
def test_a_stopped_run_resumes_to_the_bit(
    runs: dict[str, RunResult], dataset: str, small: SimpleNamespace
) -> None:
    def stop(*_: Any) -> list[Any]:
        return [small.StopAfter(7)]

    with pytest.raises(Interrupted):
        start(configured(dataset, ema_decay=0.9), Progress(quiet=True), on_start=stop)
    (run,) = run_folder.all_runs()
    resumed = resume(run, Progress(quiet=True))
    whole = runs[dataset]
    assert resumed.record.steps == whole.record.steps
    assert [each.values for each in resumed.record.evaluations] == [
        each.values for each in whole.record.evaluations
    ]
    assert weights(run) == weights(whole.run)


@data_sets
def test_two_micro_batches_see_the_same_labels(dataset: str) -> None:
    one, two = (train(dataset, steps=3, micro_batches=parts).record.steps for parts in (1, 2))
    # the images' generator has batch norm, which sees one micro-batch at a time
    tolerance = {"rel": 0.2} if dataset == "mnist-5k" else {"rel": 1e-4}
    for row, other in zip(one, two, strict=True):
        assert other == pytest.approx(row, **tolerance)


TWO_RANKS = """
import sys
from variants.cgan import Cgan
from bench.configuration import Configuration
from bench.execution.progress import Progress
from bench.execution.session import start, train_on_other_rank
from bench.system.ranks import joined

values = {values!r}
with joined() as ranks:
    if ranks.first:
        start(Configuration(Cgan, "quick", values), Progress(quiet=True), ranks=ranks)
    else:
        train_on_other_rank(ranks, Progress(quiet=True))
"""


@pytest.mark.slow
def test_two_ranks_see_the_same_labels(tmp_path: Path) -> None:
    values = VALUES | {"dataset": "ring-8", "image_size": None, "micro_batches": 2, "steps": 4}
    alone = start(Configuration(Cgan, "quick", values), Progress(quiet=True)).record
    script = tmp_path / "two.py"
    script.write_text(TWO_RANKS.replace("{values!r}", repr(values)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join([str(Path(__file__).parents[2] / "variants"), *sys.path])
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run([*launch, script], capture_output=True, text=True, timeout=180, env=env)
    assert done.returncode == 0, done.stderr
    together = next(
        record.read(run.record_path) for run in run_folder.all_runs() if run.describe().environment.ranks == 2
    )
    for one, other in zip(alone.steps, together.steps, strict=True):
        assert other == pytest.approx(one, rel=1e-3)
    assert together.evaluations[0].values == pytest.approx(alone.evaluations[0].values, rel=0.02, abs=1e-3)


@data_sets
def test_evaluations_have_the_agreement_of_classes(runs: dict[str, RunResult], dataset: str) -> None:
    names = ["class_agreement", "lowest_class_agreement"]
    names += [f"class_agreement_{label}" for label in range(DATA[dataset])]
    for evaluation in runs[dataset].record.evaluations:
        assert all(0 <= evaluation.values[name] <= 1 for name in names)
        of_classes = [evaluation.values[name] for name in names[2:]]
        assert evaluation.values["lowest_class_agreement"] == min(of_classes)
        assert min(of_classes) <= evaluation.values["class_agreement"] <= max(of_classes)
    real = runs[dataset].run.describe().real
    assert real["class_agreement"] > 0.98
    assert set(names) <= set(runs[dataset].run.describe().metrics)


@data_sets
def test_a_checkpoint_measured_again_has_the_recorded_values(
    runs: dict[str, RunResult], dataset: str
) -> None:
    found = reevaluate(runs[dataset].run, Progress(quiet=True), "last")
    assert found.recorded["class_agreement"] == found.values["class_agreement"]
    assert found.values == found.recorded


@pytest.mark.parametrize(
    ("dataset", "name"), [("mnist-5k", "samples.npz"), ("mnist-5k", "samples"), ("ring-8", "samples.npz")]
)
def test_samples_in_files_keep_their_classes_and_are_judged_as_in_the_run(
    runs: dict[str, RunResult],
    dataset: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = runs[dataset].run
    monkeypatch.setenv("BENCH_HOME", str(run.path.parents[2]))
    out = tmp_path / name
    assert main(["sample", run.id, "--checkpoint", "last", "--out", str(out), "--json"]) == 0
    bench, *words = shlex.split(json.loads(capsys.readouterr().out)["judge"])
    assert main([*words, "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    last = runs[dataset].record.evaluations[-1].values
    assert judged["values"] == last
    assert "class_agreement_7" in last
    assert judged["real"] == run.describe().real
    if out.is_dir():
        assert {each.name for each in out.iterdir()} == {
            "samples.json",
            *(f"digit {label}" for label in range(10)),
        }
        assert len(list(out.rglob("*.png"))) == 200


def test_the_grid_of_an_evaluation_has_a_row_for_each_class(runs: dict[str, RunResult]) -> None:
    run = runs["mnist-5k"].run
    grid = read_grid(run.samples / f"step-{STEPS:08d}.png", 28)
    assert grid.shape == (10, 10, 28, 28, 1)


@data_sets
def test_latents_of_a_class_have_the_same_z_for_every_class(trained: TrainedGenerator, dataset: str) -> None:
    drawn = trained.latents(300, seed=4)
    assert set(classes_of(drawn, dataset)) == set(range(DATA[dataset]))
    for label in (0, 3, trained.class_names[5]):
        latents = trained.latents(300, seed=4, label=label)
        assert classes_of(latents, dataset) == [5 if isinstance(label, str) else label] * 300
        assert torch.equal(latents[:, :6], drawn[:, :6])
        assert torch.equal(trained.sample(7, 4, label=label), trained.generate(latents[:7]))
    rows = trained.sample_classes([2, 0], 3, seed=4)
    assert rows.shape == (6, *trained.sample_shape)
    torch.testing.assert_close(rows[3:], trained.sample(3, 4, label=0))


@pytest.mark.parametrize("dataset", ["mnist-5k"])
@pytest.mark.parametrize(
    ("label", "message"),
    [
        (10, "0 to 9"),
        ("digit 33", "did you mean 'digit 3'?"),
        (-1, "0 to 9"),
        ("", "0 to 9"),
        ("1.0", "0 to 9"),
    ],
)
def test_an_unknown_class_is_refused(trained: TrainedGenerator, label: Any, message: str) -> None:
    with pytest.raises(RequestError, match="unknown class") as caught:
        trained.sample(4, label=label)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@data_sets
@pytest.mark.parametrize("path", ["linear", "slerp"])
def test_interpolation_keeps_the_class_of_its_ends(
    trained: TrainedGenerator, dataset: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_, end = trained.pairs_of_latents(12, seed=1)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(TrainedGenerator, "generate", lambda self, latents: seen.append(latents) or latents)
    trained.interpolate(start_, end, 5, path)
    wanted = [row % DATA[dataset] for row in range(12)]
    assert classes_of(start_, dataset) == classes_of(end, dataset) == wanted
    assert classes_of(seen[0], dataset) == np.repeat(wanted, 5).tolist()
    assert set(seen[0][:, -DATA[dataset] :].unique().tolist()) == {0.0, 1.0}


@data_sets
def test_inverted_latents_keep_the_class_that_they_are_given(trained: TrainedGenerator, dataset: str) -> None:
    samples = trained.sample(4, seed=3)
    found = trained.invert(samples, [2, 0, 1, 2], steps=5)
    assert classes_of(found.latents, dataset) == [2, 0, 1, 2]
    free = trained.invert(samples, steps=5).latents[:, -DATA[dataset] :]
    assert torch.equal(free.sum(1), torch.ones(4))
    assert set(free.unique().tolist()) == {0.0, 1.0}
    with pytest.raises(RequestError, match="unknown class"):
        trained.invert(samples, [DATA[dataset]] * 4, steps=5)


@data_sets
def test_the_exported_program_takes_latents_with_a_class(
    trained: TrainedGenerator, dataset: str, tmp_path: Path
) -> None:
    trained.export(tmp_path / "generator.pt2")
    program = torch.export.load(tmp_path / "generator.pt2").module()
    latents = trained.latents(5, label=3)
    assert latents.shape == (5, 6 + DATA[dataset])
    torch.testing.assert_close(program(latents), raw_samples(trained, latents), rtol=0, atol=1e-4)


def raw_samples(trained: TrainedGenerator, latents: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        samples: torch.Tensor = trained.generator(latents)
    return samples


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("dataset", ["mnist-5k"])
class TestBenchSample:
    def sample(self, trained: TrainedGenerator, file: Path, *words: str) -> int:
        return main(["sample", trained.run.id, "--checkpoint", "last", "--out", str(file), *words])

    def test_one_class_fills_the_grid(self, trained: TrainedGenerator, tmp_path: Path) -> None:
        file = tmp_path / "grid.png"
        for word in ("3", "digit 3"):
            assert self.sample(trained, file, "--class", word, "--count", "20") == 0
            wanted = to_bytes(trained.sample(20, label=3)).reshape(2, 10, 28, 28, 1)
            assert np.array_equal(read_grid(file, 28), wanted)

    @pytest.mark.parametrize(
        ("words", "labels", "columns"),
        [
            ([], range(10), 10),
            (["--class", "7", "--class", "digit 2"], [7, 2], 10),
            (["--count", "4"], range(10), 4),
        ],
    )
    def test_several_classes_have_a_row_each(
        self, trained: TrainedGenerator, tmp_path: Path, words: list[str], labels: Any, columns: int,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        file = tmp_path / "grid.png"
        assert self.sample(trained, file, "--json", *words) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["classes"] == [f"digit {label}" for label in labels]
        sheet = np.asarray(Image.open(file))
        assert sheet.shape[0] == 2 * (30 * len(labels) + 2)
        width = 2 * (30 * columns + 2)
        assert (sheet[:, : sheet.shape[1] - width] < 128).any(), "the names are left of the rows"
        Image.fromarray(sheet[:, sheet.shape[1] - width :]).save(file)
        wanted = to_bytes(trained.sample_classes(labels, columns))
        assert np.array_equal(read_grid(file, 28).reshape(wanted.shape), wanted)

    def test_an_unknown_class_is_one_line_and_leaves_no_file(
        self, trained: TrainedGenerator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.sample(trained, tmp_path / "grid.png", "--class", "digit 33") == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / "grid.png").exists()


@pytest.mark.usefixtures("home")
def test_points_of_a_class_are_drawn(runs: dict[str, RunResult], tmp_path: Path) -> None:
    words = ["--class", "3", "--class", "mode 5", "--out", str(tmp_path / "points.png")]
    assert main(["sample", runs["ring-8"].run.id, *words]) == 0
    assert (tmp_path / "points.png").exists()


@data_sets
def test_figures_of_a_conditional_run_can_be_drawn(
    runs: dict[str, RunResult], dataset: str, tmp_path: Path
) -> None:
    files = {path.name for path in of_run.draw_run(runs[dataset].run, folder=tmp_path)}
    assert ({"classes.png", "classes.svg"} <= files) == (dataset == "mnist-5k")
    if dataset == "mnist-5k":
        # letters are drawn as outlines, each with a comment
        assert "digit 9" in (tmp_path / "classes.svg").read_text()


def test_data_without_labels_are_refused_before_anything_is_created(bench_home: Path, tmp_path: Path) -> None:
    Image.new("RGB", (28, 28)).save(tmp_path / "1.png")
    for dataset in (f"folder:{tmp_path}", "celeba"):
        with pytest.raises(RequestError, match="has no labels, which cgan needs: allowed are") as caught:
            start(configured(dataset, image_size=28), Progress(quiet=True))
        assert "\n" not in str(caught.value)
        with pytest.raises(RequestError, match="has no labels"):
            cost(configured(dataset, image_size=28))
        with pytest.raises(RequestError, match="has no labels"):
            configuration.resolve({"variant": "cgan", "dataset": dataset, "preset": "quick"})
    assert not bench_home.exists()


def test_cost_and_memory_count_the_classes_without_data() -> None:
    digits, clothes = (
        cost(Configuration(Cgan, "quick", VALUES | {"dataset": name, "image_size": 32}))
        for name in ("mnist", "cifar10")
    )
    assert digits.scalars == clothes.scalars == ("loss_d", "loss_g")
    assert digits.step_operations
    assert clothes.step_operations
    wide = Configuration(Cgan, "quick", VALUES | {"dataset": "stacked-mnist", "image_size": 28})
    free = 2**40
    assert cost(wide).all_parameters > digits.all_parameters + 8 * 990
    without, with_classes = (estimate(wide, (3, 28, 28), free, 1, classes) for classes in (1, 1000))
    assert with_classes.latents - without.latents == 4 * 200 * 999


def test_changed_labels_are_noticed_at_a_resume(small: SimpleNamespace) -> None:
    with pytest.raises(Interrupted):
        start(configured("ring-8"), Progress(quiet=True), on_start=lambda *_: [small.StopAfter(5)])
    (run,) = run_folder.all_runs()
    small.redescribe(run, "data", "labels_hash", value="0" * 64)
    with pytest.raises(WorkError, match="the labels of run .* changed since it began"):
        resume(run, Progress(quiet=True))
