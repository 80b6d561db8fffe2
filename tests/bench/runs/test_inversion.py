"""Inversion: latents of given samples, found by Adam on the generator within a stated budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bench.runs.generator import TrainedGenerator
from bench.runs.inversion import CANDIDATES, CHUNK
from bench.runs.run_folder import RunFolder
from variants.registry import all_variants


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def generator_of(
    folder: Path, name: str = "wgan-gp", shape: tuple[int, ...] = (2,), **knobs: Any
) -> TrainedGenerator:
    """Return an untrained generator as one of a run."""
    kind = all_variants()[name]
    small = {"filters": 16, "latent_dim": 4} | knobs
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        variant = kind(kind.Hyperparameters(**small), shape).eval()
    return TrainedGenerator(RunFolder(folder), 0, variant)


@pytest.mark.parametrize("shape", [(2,), (1, 28, 28)], ids=["points", "images"])
def test_samples_of_the_generator_are_found_again(tmp_path: Path, shape: tuple[int, ...]) -> None:
    trained = generator_of(tmp_path, shape=shape)
    samples = trained.sample(6, seed=5)
    start = trained.invert(samples, steps=1)
    found = trained.invert(samples, steps=200)
    assert found.latents.shape == (6, 4)
    assert torch.equal(found.samples, trained.generate(found.latents))
    assert torch.equal(found.errors, (samples - found.samples).flatten(1).abs().mean(1))
    assert (found.errors <= start.errors).all()
    assert found.errors.max() < 0.1 * (samples - samples.flip(0)).abs().mean()


def test_more_steps_are_never_worse_and_each_has_one_pass(tmp_path: Path) -> None:
    trained = generator_of(tmp_path, shape=(1, 28, 28))
    samples = trained.sample(3, seed=5).flip(3)
    passes: list[int] = []
    trained.generator.register_forward_hook(lambda module, given, made: passes.append(len(made)))
    errors = []
    for steps in (1, 4, 16, 64):
        passes.clear()
        errors.append(trained.invert(samples, steps=steps, learning_rate=0.2).errors)
        # the candidates, the start, a pass for each step, the samples that are returned
        assert passes == [CANDIDATES] + [3] * (1 + steps + 1)
    for fewer, more in zip(errors, errors[1:], strict=False):
        assert (more <= fewer + 1e-6).all()


def test_a_sample_is_inverted_as_if_it_were_alone(tmp_path: Path) -> None:
    trained = generator_of(tmp_path)
    samples = torch.rand((CHUNK + 3, 2)) * 2 - 1
    together = trained.invert(samples, steps=5)
    alone = trained.invert(samples[-1:], steps=5)
    torch.testing.assert_close(together.latents[-1:], alone.latents)


def test_an_inversion_depends_on_its_seed_alone_and_leaves_no_trace(tmp_path: Path) -> None:
    trained = generator_of(tmp_path)
    samples = torch.rand((4, 2)) * 2 - 1
    before = torch.get_rng_state()
    found, again, other = (trained.invert(samples, steps=10, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(found.latents, again.latents)
    assert not torch.equal(found.latents, other.latents)
    assert all(parameter.grad is None for parameter in trained.variant.parameters())
    assert not found.latents.requires_grad


@pytest.mark.parametrize(("prior", "bounded"), [("uniform", True), ("normal", False)])
def test_latents_stay_in_the_range_of_a_uniform_prior(tmp_path: Path, prior: str, bounded: bool) -> None:
    trained = generator_of(tmp_path, prior=prior)
    # a corner that the untrained generator does not reach
    found = trained.invert(torch.ones((3, 2)), steps=60, learning_rate=0.3)
    assert (found.latents.abs().max() <= 1) == bounded
