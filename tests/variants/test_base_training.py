"""A few real steps of every variant: finite, repeatable to the bit, and resumable."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.runs import checkpoint, record
from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.registry import all_variants

Fixture = Callable[..., Any]
FAMILY = [name for name, kind in all_variants().items() if issubclass(kind, BoundaryEquilibrium)]
CHOICES: list[tuple[str, dict[str, Any]]] = [
    *((name, {"update": u}) for name in FAMILY for u in ("simultaneous", "alternating")),
    *((name, {"layers": "strided"}) for name in ("began", "began-cs", "began-v3")),
    *((name, {"layers": "strided", "generator_norm": "none"}) for name in ("began", "began-cs", "began-v3")),
    ("began-resnet18", {"generator_norm": "none", "decoder_gain": 1.0}),
    *((name, {}) for name in all_variants() if name not in FAMILY),
    *((name, {"layers": "points"}) for name in all_variants()),
    ("began", {"layers": "points", "generator_norm": "none"}),
    ("began-resnet18", {"layers": "points", "decoder_gain": 1.0}),
]
every_choice = pytest.mark.parametrize(
    ("name", "knobs"), [pytest.param(*c, id=" ".join([c[0], *map(str, c[1].values())])) for c in CHOICES]
)


def made(build: Fixture, name: str, knobs: dict[str, Any], seed: int = 0) -> Any:
    """Build a variant that learns fast, with k away from where it starts and stops."""
    if name not in FAMILY:
        return build(name, seed=seed, lr_g=1e-3, lr_d=1e-3, **knobs)
    variant = build(name, seed=seed, lr_g=1e-3, lr_d=1e-3, lambda_k=0.1, **knobs)
    variant.k.fill_(0.5)
    return variant


def flatten(state: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of a nested state by its path."""
    if isinstance(state, dict):
        return {k: v for key, value in state.items() for k, v in flatten(value, f"{path}/{key}").items()}
    if isinstance(state, list | tuple):
        return {k: v for i, value in enumerate(state) for k, v in flatten(value, f"{path}/{i}").items()}
    return {path: state}


def assert_same_bits(one: Any, other: Any) -> None:
    left, right = flatten(one), flatten(other)
    assert set(left) == set(right)
    for path, value in left.items():
        if path == "/seconds":
            continue
        if isinstance(value, Tensor):
            assert torch.equal(value, right[path]), path
        else:
            assert value == right[path], path


@every_choice
def test_three_steps_are_finite_change_every_weight_and_are_reproducible_bit_for_bit(
    build: Fixture, make_trainer: Fixture, tmp_path: Path, name: str, knobs: dict[str, Any]
) -> None:
    start = made(build, name, knobs)
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)  # the global random state must not matter
        trainer = make_trainer(made(build, name, knobs), 3, f"run {seed}")
        trainer.train()
        states.append(trainer.state())
    assert_same_bits(*states)

    rows = record.read(tmp_path / "run 1" / "record.jsonl").steps
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert all(tensor.isfinite().all() for tensor in states[0]["variant"].values())
    for path, before in start.named_parameters():
        now = states[0]["variant"][path]
        if not before.requires_grad:
            assert torch.equal(before, now), path
        elif before.ndim > 1:  # a bias may cancel: before batch norm, or in a difference of scores
            assert not torch.equal(before, now), path


@every_choice
def test_a_resumed_training_equals_an_uninterrupted_training_bit_for_bit(
    build: Fixture, make_trainer: Fixture, tmp_path: Path, name: str, knobs: dict[str, Any]
) -> None:
    whole = make_trainer(made(build, name, knobs), 3, "whole")
    whole.train()
    make_trainer(made(build, name, knobs), 2, "broken").train()

    resumed = make_trainer(made(build, name, knobs, seed=99), 3, "broken")
    state = checkpoint.read(tmp_path / "broken" / "step-00000002.safetensors")
    if name in FAMILY:
        assert 0 < state["variant"]["k"].item() < 1
        assert state["variant"]["k"].item() != 0.5
    resumed.restore(state)
    assert_same_bits(resumed.variant.state_dict(), state["variant"])
    resumed.train()
    assert_same_bits(resumed.state(), whole.state())


@pytest.mark.parametrize("knobs", [{}, {"layers": "points"}], ids=["images", "points"])
@pytest.mark.parametrize("name", all_variants())
def test_initial_weights_depend_on_the_global_random_state_only(
    build: Fixture, name: str, knobs: dict[str, Any]
) -> None:
    built = build(name, **knobs)
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(type(built)(built.hyperparameters, built.sample_shape).state_dict())
    assert_same_bits(states[0], states[1])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


@pytest.mark.parametrize("name", FAMILY)
def test_k_is_saved_and_loaded_with_the_variant(build: Fixture, name: str) -> None:
    variant = build(name)
    variant.k.fill_(0.625)
    other = build(name)
    other.load_state_dict(variant.state_dict())
    assert other.k.item() == 0.625
