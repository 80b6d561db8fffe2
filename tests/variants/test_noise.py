"""Draws are functions of their names: same parts, same numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from variants.noise import Noise, derive_seed

CPU = torch.device("cpu")


def test_a_derived_seed_is_the_same_on_every_machine() -> None:
    assert derive_seed(0, "latent", 1) == 896_786_428_154_918_548
    assert derive_seed("weights", 12) == 2_298_783_539_854_175_166


def test_a_derived_seed_is_the_first_63_bits_of_a_digest() -> None:
    digest = hashlib.sha256(b"7\x1fgrid latent\x1f300").hexdigest()
    assert derive_seed(7, "grid latent", 300) == int(digest[:16], 16) // 2


def test_derived_seeds_fill_0_to_2_to_the_63() -> None:
    seeds = [derive_seed(i, "latent", j) for i in range(40) for j in range(40)]
    assert len(set(seeds)) == 1600
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62 * 1.9
    assert min(seeds) < 2**62 * 0.1


def test_a_derived_seed_depends_on_the_boundaries_and_types_of_its_parts() -> None:
    assert derive_seed("1", "23") != derive_seed("12", "3")
    assert derive_seed("latent", 1) != derive_seed(1, "latent")


def test_the_same_parts_give_the_same_draws() -> None:
    one, other = Noise(3, 8, CPU), Noise(3, 8, CPU)
    assert torch.equal(one.normal("latent", (5, 6)), other.normal("latent", (5, 6)))
    assert torch.equal(one.uniform("latent", (5, 6)), other.uniform("latent", (5, 6)))


def test_the_global_random_state_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    first = Noise(3, 8, CPU).normal("latent", (4,))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(Noise(3, 8, CPU).normal("latent", (4,)), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("seed", "step", "purpose"), [(4, 8, "latent"), (3, 9, "latent"), (3, 8, "other")])
def test_another_seed_step_or_purpose_gives_other_draws(seed: int, step: int, purpose: str) -> None:
    one = Noise(3, 8, CPU).normal("latent", (5, 6))
    assert not torch.isclose(one, Noise(seed, step, CPU).normal(purpose, (5, 6))).any()


def test_successive_draws_of_a_stream_differ() -> None:
    noise = Noise(3, 8, CPU)
    first, second = noise.normal("latent", (5,)), noise.normal("latent", (5,))
    assert not torch.equal(first, second)


def test_draws_for_one_purpose_do_not_affect_those_for_another() -> None:
    plain = Noise(3, 8, CPU)
    mixed = Noise(3, 8, CPU)
    mixed.normal("code of real", (100,))
    assert torch.equal(plain.normal("latent", (5,)), mixed.normal("latent", (5,)))


def test_draws_have_the_requested_distribution() -> None:
    noise = Noise(0, 1, CPU)
    normal = noise.normal("normal", (20_000,))
    assert normal.dtype == torch.float32
    assert normal.mean().item() == pytest.approx(0, abs=0.03)
    assert normal.std().item() == pytest.approx(1, abs=0.03)
    uniform = noise.uniform("uniform", (20_000,), -1.0, 1.0)
    assert uniform.dtype == torch.float32
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() <= 1
    assert uniform.mean().item() == pytest.approx(0, abs=0.03)
    unit = noise.uniform("unit", (20_000,))
    assert unit.min() >= 0
    assert unit.max() <= 1
    assert unit.mean().item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("names", "knobs"),
    [
        (("began", "began-cs", "began-v3"), {}),
        (("began-resnet18", "wgan-gp"), {}),
        (("began", "began-resnet18"), {"prior": "normal"}),
    ],
)
def test_variants_with_the_same_prior_draw_the_same_latents(
    build: Callable[..., Any], names: tuple[str, ...], knobs: dict[str, str]
) -> None:
    first, *others = (build(name, **knobs).draw_latent(Noise(3, 8, CPU), 4) for name in names)
    for other in others:
        assert torch.equal(first, other)


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3", "began-resnet18"])
def test_latents_have_the_requested_prior(build: Callable[..., Any], name: str) -> None:
    uniform = build(name, prior="uniform").draw_latent(Noise(0, 1, CPU), 2000)
    assert uniform.abs().max() <= 1
    assert uniform.min() < -0.99
    assert uniform.max() > 0.99
    normal = build(name, prior="normal").draw_latent(Noise(0, 1, CPU), 2000)
    assert normal.std().item() == pytest.approx(1, abs=0.03)
    assert normal.abs().max() > 2.5


def test_a_latent_is_drawn_from_the_stream_of_its_purpose(build: Callable[..., Any]) -> None:
    variant = build("began")
    noise = Noise(3, 8, CPU)
    expected = Noise(3, 8, CPU).uniform("grid latent", (4, 6), -1.0, 1.0)
    assert torch.equal(variant.draw_latent(noise, 4, "grid latent"), expected)
