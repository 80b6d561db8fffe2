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


def test_integers_are_uniform_over_their_range() -> None:
    drawn = Noise(0, 1, CPU).integers("class", (30_000,), 5, low=2)
    assert drawn.dtype == torch.int64
    counts = torch.bincount(drawn, minlength=6)
    assert counts[:2].tolist() == [0, 0]
    # 10,000 each, with a standard deviation of 82
    assert (counts[2:5] - 10_000).abs().max() < 5 * 82
    assert counts.sum() == 30_000
    assert Noise(0, 1, CPU).integers("class", (2, 3), 5).shape == (2, 3)


@pytest.mark.parametrize("scale", [1.0, 0.1, 30.0])
def test_categories_come_in_proportion_to_their_probabilities(scale: float) -> None:
    drawn = Noise(0, 1, CPU).categories("mode", 30_000, scale * torch.tensor([0.5, 0.0, 0.2, 0.3]))
    assert drawn.dtype == torch.int64
    assert drawn.shape == (30_000,)
    counts = torch.bincount(drawn, minlength=4)
    assert counts[1] == 0
    # of a binomial distribution
    for count, probability in zip(counts.tolist(), (0.5, 0.0, 0.2, 0.3), strict=True):
        deviation = (30_000 * probability * (1 - probability)) ** 0.5
        assert abs(count - 30_000 * probability) <= 5 * deviation


def test_integers_and_categories_of_micro_batches_are_those_of_the_whole_batch() -> None:
    probabilities = torch.tensor([0.2, 0.5, 0.3])
    whole, parts = Noise(3, 8, CPU), [Noise(3, 8, CPU, number, 3) for number in range(3)]
    for _ in range(2):  # a stream goes on
        drawn = [noise.integers("class", (2, 4), 10) for noise in parts]
        assert torch.equal(torch.cat(drawn), whole.integers("class", (6, 4), 10))
        drawn = [noise.categories("mode", 2, probabilities) for noise in parts]
        assert torch.equal(torch.cat(drawn), whole.categories("mode", 6, probabilities))


def test_a_stream_of_integers_depends_on_seed_step_and_purpose() -> None:
    first = Noise(3, 8, CPU).integers("class", (50,), 1000)
    assert torch.equal(Noise(3, 8, CPU).integers("class", (50,), 1000), first)
    for other in (Noise(4, 8, CPU), Noise(3, 9, CPU)):
        assert not torch.equal(other.integers("class", (50,), 1000), first)
    assert not torch.equal(Noise(3, 8, CPU).integers("mode", (50,), 1000), first)


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
