"""Micro-batches: the same step as that of the whole batch, except for what batch norm sees at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.runs import record
from bench.training.step import ComputeOptions
from variants.base import Batch
from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.modules.batch_normalisation import batch_norms
from variants.noise import Noise
from variants.registry import all_variants

Fixture = Callable[..., Any]
CPU = torch.device("cpu")
FAMILY = [name for name, kind in all_variants().items() if issubclass(kind, BoundaryEquilibrium)]
# layers without batch norm, in both forms, with D's samples drawn anew or measured again
WITHOUT_NORM: list[tuple[str, dict[str, Any]]] = [
    *((name, {"update": form}) for name in FAMILY for form in ("simultaneous", "alternating")),
    ("began", {"update": "alternating", "fresh_latent": True}),
    ("wgan-gp", {"layers": "points"}),
]
WITHOUT_NORM = [(name, knobs) for name, knobs in WITHOUT_NORM if name != "began-resnet18"]
WITH_NORM: list[tuple[str, dict[str, Any]]] = [
    *((name, {"layers": "strided"}) for name in ("began", "began-cs", "began-v3")),
    ("began-resnet18", {}),
    ("began-resnet18", {"update": "simultaneous"}),
    ("wgan-gp", {"critic_steps": 1}),
    *((name, {"layers": "points"}) for name in FAMILY),
]


def ids(choices: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(*c, id=" ".join([c[0], *map(str, c[1].values())])) for c in choices]


@pytest.fixture
def double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def started(build: Fixture, name: str, knobs: dict[str, Any]) -> Any:
    variant = build(name, shaken=True, dtype=torch.float64, **knobs)
    if name in FAMILY:
        variant.k.fill_(0.3)
    return variant


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("micro_batches", [2, 3, 6])
@pytest.mark.parametrize(("name", "knobs"), ids(WITHOUT_NORM))
def test_without_batch_norm_micro_batches_make_the_step_of_the_whole_batch(
    build: Fixture, make_trainer: Fixture, name: str, knobs: dict[str, Any], micro_batches: int
) -> None:
    start = started(build, name, knobs)
    whole, split = copy.deepcopy(start), copy.deepcopy(start)
    trained = []
    for variant, count in ((whole, 1), (split, micro_batches)):
        trainer = make_trainer(variant, 2, str(count), count=6, options=ComputeOptions(micro_batches=count))
        trainer.train()
        trained.append(record.read(trainer.folder / "record.jsonl").steps)
    for one, other in zip(*trained, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    for (key, one), other in zip(whole.state_dict().items(), split.state_dict().values(), strict=True):
        # Adam turns rounding into a step wherever a gradient is all but zero
        assert (one - other).abs().max() < 1e-6, key


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("name", "knobs"), ids(WITH_NORM))
def test_gradients_and_updates_of_statistics_are_means_over_micro_batches(
    build: Fixture, make_trainer: Fixture, name: str, knobs: dict[str, Any]
) -> None:
    """Each micro-batch is computed alone, by the first phase, from the state before the step."""
    start = started(build, name, knobs)
    trainer = make_trainer(copy.deepcopy(start), 1, count=6, options=ComputeOptions(micro_batches=2))
    real = trainer.batches.get(0)
    gradients, statistics, scalars = [], [], []
    for number in range(2):
        alone = copy.deepcopy(start)
        phase = alone.phases()[0]
        batch = Batch(real.chunk(2)[number], Noise(7, 1, CPU, number, 2), may_cache_graphs=False)
        scalars.append(phase.accumulate_gradients(batch))
        gradients.append([p.grad for network in phase.updates for p in alone.trainable_parameters(network)])
        statistics.append(running(alone))

    seen: list[Any] = []

    def look(*_: Any) -> None:
        first = trainer.variant.phases()[0]
        of = [
            p.grad.clone() for network in first.updates for p in trainer.variant.trainable_parameters(network)
        ]
        seen.append((of, running(trainer.variant)))

    first_moved = start.phases()[0].updates[0]
    trainer.optimizers[first_moved].register_step_pre_hook(look)
    trainer.train()
    found, moved = seen[0]
    for got, one, other in zip(found, *gradients, strict=True):
        torch.testing.assert_close(got, (one + other) / 2, rtol=1e-9, atol=1e-14)
    expected = (statistics[0] + statistics[1]) / 2
    torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-14)
    row = record.read(trainer.folder / "record.jsonl").steps[0]
    assert row["loss_d"] == pytest.approx(fmean(each["loss_d"].item() for each in scalars), rel=1e-6)


def running(variant: Any) -> Tensor:
    """All running statistics of batch norms in one vector."""
    kept = [t for layer in batch_norms(variant) for t in (layer.running_mean, layer.running_var)]
    return torch.cat(kept)


def test_the_draws_of_the_micro_batches_are_those_of_the_whole_batch() -> None:
    whole = Noise(3, 8, CPU)
    micro_batches = [Noise(3, 8, CPU, number, 3) for number in range(3)]
    for _ in range(2):  # a stream goes on
        drawn = [noise.uniform("latent", (2, 4), -1.0, 1.0) for noise in micro_batches]
        assert torch.equal(torch.cat(drawn), whole.uniform("latent", (6, 4), -1.0, 1.0))
        drawn = [noise.normal("code of fake", (2, 4)) for noise in micro_batches]
        assert torch.equal(torch.cat(drawn), whole.normal("code of fake", (6, 4)))


@pytest.mark.parametrize("name", FAMILY)
def test_the_norm_of_a_whole_batch_allows_no_micro_batches(build: Fixture, name: str) -> None:
    assert "frobenius" in build(name, norm="frobenius").indivisible()
    assert build(name, norm="l2").indivisible() == ""
