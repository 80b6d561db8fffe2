"""Activation checkpointing: the same step bit for bit, with less kept between the passes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.training.step import ComputeOptions
from variants.modules.activation_checkpointing import CheckpointedModule, segments
from variants.registry import all_variants

Fixture = Callable[..., Any]
CHOICES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in all_variants()),
    *((name, {"layers": "points"}) for name, kind in all_variants().items() if "points" in kind.sample_kinds),
    *((name, {"layers": "strided"}) for name in ("began", "began-cs", "began-v3")),
    ("began-cs", {"update": "simultaneous"}),
    ("began", {"layers": "strided", "generator_norm": "none"}),
    ("began-v3", {"layers": "table3"}),
]
every_choice = pytest.mark.parametrize(
    ("name", "knobs"), [pytest.param(*c, id=" ".join([c[0], *map(str, c[1].values())])) for c in CHOICES]
)


@every_choice
def test_a_step_is_the_same_bit_for_bit(
    build: Fixture, make_trainer: Fixture, name: str, knobs: dict[str, Any]
) -> None:
    start = build(name, shaken=True, **knobs)
    kept, recomputed = copy.deepcopy(start), copy.deepcopy(start)
    # four samples are whole packs for a variant that packs two
    make_trainer(kept, 2, "kept", count=4).train()
    recomputing = ComputeOptions(activation_checkpointing=True)
    make_trainer(recomputed, 2, "recomputed", count=4, options=recomputing).train()
    assert any(m.checkpoints_activations for m in recomputed.modules() if isinstance(m, CheckpointedModule))
    assert not any(m.checkpoints_activations for m in kept.modules() if isinstance(m, CheckpointedModule))
    for (key, one), other in zip(kept.state_dict().items(), recomputed.state_dict().values(), strict=True):
        assert torch.equal(one, other), key


def bytes_saved(network: nn.Module, inputs: Tensor) -> int:
    """Bytes of distinct tensors that a forward pass keeps for the gradient, parameters left out."""
    own = {parameter.data_ptr() for parameter in network.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in own:
            seen[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = network(inputs)
    assert output.requires_grad
    return sum(seen.values())


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3"])
def test_a_generator_stores_less_than_half_of_its_activations(build: Fixture, name: str) -> None:
    generator = build(name, size=64).generator
    latent = torch.randn(4, 6)
    before = bytes_saved(generator, latent)
    generator.checkpoints_activations = True
    assert bytes_saved(generator, latent) < before / 2


def test_only_the_first_part_may_start_with_an_in_place_layer() -> None:
    layers = nn.Sequential(
        nn.ReLU(), nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 1, 3), nn.ReLU(),
        nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3), nn.Tanh(),
    )  # fmt: skip
    parts = list(segments(layers))
    assert [layer for part in parts for layer in part] == list(layers)
    assert [len(part) for part in parts] == [1, 5, 5]
    assert all(isinstance(part[0], nn.Conv2d | nn.BatchNorm2d) for part in parts[1:])
