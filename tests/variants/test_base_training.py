"""The checks of every variant, with those knobs that change its training; and that every weight moves."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.checking import CHECKS
from bench.checking.report import NotApplicable
from bench.checking.subject import Subject
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
    *((name, {"layers": "points"}) for name, kind in all_variants().items() if "points" in kind.sample_kinds),
    ("began", {"layers": "points", "generator_norm": "none"}),
    ("began-resnet18", {"layers": "points", "decoder_gain": 1.0}),
]
every_choice = pytest.mark.parametrize(
    ("name", "knobs"), [pytest.param(*c, id=" ".join([c[0], *map(str, c[1].values())])) for c in CHOICES]
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@every_choice
def test_a_variant_keeps_the_contract(
    subject: Callable[..., Subject], name: str, knobs: dict[str, Any], check: Callable[[Subject], None]
) -> None:
    variant, real = subject(name, **knobs).build(), subject(name, **knobs).batches().get(0)
    lacking = {
        "conditional": not variant.conditional and "not conditional",
        "codes": variant.encode(real) is None and "no encoder",
        "latent_codes": not variant.latent_codes() and "no codes",
        "micro_batches": variant.indivisible() and f"indivisible: {variant.indivisible()}",
        "ranks": variant.indivisible() and f"indivisible: {variant.indivisible()}",
    }
    if reason := lacking.get(check.__name__):
        with pytest.raises(NotApplicable, match=f"^{re.escape(reason)}$"):
            check(subject(name, **knobs))
    else:
        check(subject(name, **knobs))


@every_choice
def test_training_moves_every_weight_and_no_frozen_one(
    subject: Callable[..., Subject], name: str, knobs: dict[str, Any]
) -> None:
    trained = subject(name, **knobs).trained.variant.state_dict()
    for path, before in subject(name, **knobs).build().named_parameters():
        if not before.requires_grad:
            assert torch.equal(before, trained[path]), path
        elif before.ndim > 1:  # a bias may cancel: before batch norm, or in a difference of scores
            assert not torch.equal(before, trained[path]), path


@pytest.mark.parametrize("name", FAMILY)
def test_k_is_between_its_bounds_where_a_training_is_resumed(
    subject: Callable[..., Subject], name: str
) -> None:
    """The check of resuming would miss a k that is not saved if k stood where it starts."""
    k = subject(name, update="alternating").trained.variant.k.item()
    assert 0 < k < 1
    assert k != 0.5


@pytest.mark.parametrize("name", FAMILY)
def test_k_is_saved_and_loaded_with_the_variant(build: Fixture, name: str) -> None:
    variant = build(name)
    variant.k.fill_(0.625)
    other = build(name)
    other.load_state_dict(variant.state_dict())
    assert other.k.item() == 0.625
