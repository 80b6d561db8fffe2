"""Systems of the wider family, each one short file against the contract: trained, resumed, exported."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.checking import check
from bench.runs import checkpoint, record
from bench.runs.export import export
from bench.training.learning_rate import LearningRateRule
from bench.training.plan import Plan
from bench.training.trainer import Interrupted, Trainer
from variants.base import Variant
from variants.noise import Noise

CPU = torch.device("cpu")
FOLDER = Path(__file__).parent / "systems"
STEPS, CLASSES, BATCH = 20, 3, 4
IMAGES, POINTS = (1, 28, 28), (2,)
SYSTEMS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
CASES = [(name, shape) for name in SYSTEMS for shape in (IMAGES, POINTS)]
cases = pytest.mark.parametrize(
    ("name", "shape"),
    [pytest.param(*case, id=f"{case[0]} {'images' if case[1] == IMAGES else 'points'}") for case in CASES],
)


def system(name: str) -> type[Variant]:
    """Return the class of a system, which is in no registry."""
    members = vars(importlib.import_module(f"systems.{name}")).values()
    (kind,) = (each for each in members if isinstance(each, type) and getattr(each, "name", "") == name)
    return kind


def build(name: str, shape: tuple[int, ...], seed: int = 0, **knobs: Any) -> Any:
    kind = system(name)
    torch.manual_seed(seed)
    small = {"filters": 4, "latent_dim": 6} | knobs
    return kind(kind.Hyperparameters(**small), shape, CLASSES if kind.conditional else 0)


class LabelledBatches:
    """An endless stream of random samples in [-1, 1], with classes."""

    batch_size = BATCH

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        drawn = torch.rand((BATCH, *self.shape), generator=torch.Generator().manual_seed(index))
        return (2 * drawn - 1).chunk(micro_batches)[micro_batch]

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        return ((torch.arange(BATCH) + index) % CLASSES).chunk(micro_batches)[micro_batch]


class Training:
    """A run of a system in a folder, which may stop early and be resumed."""

    def __init__(self, variant: Any, folder: Path, ema_decay: float = 0.5) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.writer = record.RecordWriter(folder / "record.jsonl")
        self.stop_at = 0
        self.trainer = Trainer(
            variant=variant,
            batches=LabelledBatches(variant.sample_shape),
            plan=Plan(STEPS, 7, LearningRateRule("none", 1, 0.0), ema_decay=ema_decay, grid_images=4),
            hyperparameters=variant.hyperparameters,
            device=CPU,
            writer=self.writer,
            folder=folder,
            measure=lambda sampler: {"d": 0.0},
            lower_is_better="d",
            stop_requested=lambda: self.trainer.step == self.stop_at,
        )

    def run(self, stop_at: int = 0) -> Training:
        self.stop_at = stop_at
        try:
            self.trainer.train()
        except Interrupted:
            assert self.trainer.step == stop_at
        self.writer.close()
        return self

    def rows(self) -> list[dict[str, float]]:
        return record.read(self.folder / "record.jsonl").steps


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, tuple[int, ...]], Training]:
    """The whole training of each case, made once."""

    class Trainings(dict[tuple[str, tuple[int, ...]], Training]):
        def __missing__(self, case: tuple[str, tuple[int, ...]]) -> Training:
            self[case] = Training(build(*case), tmp_path_factory.mktemp(case[0])).run()
            return self[case]

    return Trainings()


def flatten(state: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    pairs = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in pairs:
        if isinstance(value, dict | list | tuple):
            yield from flatten(value, f"{path}/{key}")
        elif key != "seconds":
            yield f"{path}/{key}", value.tolist() if isinstance(value, Tensor) else value


@cases
def test_twenty_steps_are_finite_and_record_every_declared_scalar(
    trainings: dict[Any, Training], name: str, shape: tuple[int, ...]
) -> None:
    rows = trainings[name, shape].rows()
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(math.isfinite(value) for row in rows for value in row.values())
    declared = {scalar.name for scalar in system(name).scalars}
    assert declared | {"loss_d", "loss_g", "lr_g", "lr_d"} <= set(rows[0])


@cases
def test_a_training_stopped_at_ten_steps_resumes_to_the_bit(
    trainings: dict[Any, Training], tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    whole = trainings[name, shape]
    stopped = Training(build(name, shape), tmp_path / "run").run(stop_at=10)
    assert stopped.rows() == whole.rows()[:10]
    resumed = Training(build(name, shape, seed=99), tmp_path / "run")
    resumed.trainer.restore(checkpoint.read(tmp_path / "run" / "step-00000010.safetensors"))
    resumed.run()
    assert resumed.rows() == whole.rows()
    assert dict(flatten(resumed.trainer.state())) == dict(flatten(whole.trainer.state()))


@cases
def test_the_averaged_generator_is_exported(
    trainings: dict[Any, Training], tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    trainer = trainings[name, shape].trainer
    latents = trainer.variant.draw_latent(Noise(0, 0, CPU), 5, "export")
    export(trainer.averages["generator"].module.eval(), latents, tmp_path / "generator.pt2")
    program = torch.export.load(tmp_path / "generator.pt2").module()
    samples = program(latents)
    assert samples.shape == (5, *shape)
    assert samples.dtype == torch.float32
    assert samples.abs().max() <= 1.0


@pytest.mark.parametrize(
    ("name", "image_size"),
    [(name, "none") for name in SYSTEMS],
)
def test_a_system_passes_the_checks_of_any_variant(name: str, image_size: str) -> None:
    check(system(name), {"image_size": image_size}).raise_failures()


def test_the_systems_that_show_the_limits_of_a_contract_are_all_there() -> None:
    assert "lazy" in SYSTEMS


def test_a_lazy_phase_takes_place_in_every_fourth_step(trainings: dict[Any, Training]) -> None:
    rows = trainings["lazy", POINTS].rows()
    assert [row["step"] for row in rows if "loss_r1" in row] == [1, 5, 9, 13, 17]
