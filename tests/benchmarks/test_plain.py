"""The plain re-writings train what the variants train."""

import numpy as np
import pytest
import torch
from configurations import published, quick
from plain import PLAIN, Pictures, networks_of
from sections import Request, rewriting

from bench.configuration import resolve, variant_named
from bench.datasets import sample_shape
from variants.base import Batch
from variants.families.boundary_equilibrium import BoundaryEquilibrium
from variants.noise import Noise
from variants.registry import all_variants

SEED, SIZE, STEPS = 3, 8, 3
START_K = 0.1
CONFIGURATIONS = {
    f"{name}-{kind}": (
        quick(name, 1, image_size=32, batch_size=SIZE) if kind == "quick" else published(name, 1, 8, 32, SIZE)
    )
    for name in PLAIN
    for kind in ("quick", "published")
}


class DoubleNoise(Noise):
    """Draws in float64: Adam's first steps would turn the rounding of float32 into differences."""

    def __init__(self, step):
        super().__init__(SEED, step, torch.device("cpu"))

    def normal(self, purpose, shape):
        return super().normal(purpose, shape).double()

    def uniform(self, purpose, shape, low=0.0, high=1.0):
        return super().uniform(purpose, shape, low, high).double()


def in_order(given, update):
    configuration = resolve(given)
    fields = type(configuration.hyperparameters).model_fields
    changes = {"update": update} if "update" in fields else {}
    return configuration.with_values(**changes, **({"reevaluate": False} if "reevaluate" in fields else {}))


def steps_of_variant(variant, configuration, reals):
    knobs = configuration.hyperparameters
    optimizers = {
        network: torch.optim.Adam(
            variant.trainable_parameters(network), rate, (knobs.beta1, knobs.beta2), knobs.adam_epsilon
        )
        for network, rate in (("generator", knobs.lr_g), ("discriminator", knobs.lr_d))
    }
    variant.train()
    for step in range(1, STEPS + 1):
        batch = Batch(torch.empty(0), DoubleNoise(step))
        scalars = {}
        for phase in variant.phases():
            if phase.new_real_batch:
                batch.real = next(reals)
            for network in phase.updates:
                optimizers[network].zero_grad()
            scalars |= phase.accumulate_gradients(batch)
            for network in phase.updates:
                optimizers[network].step()
        yield scalars | variant.update_state(scalars)


def orders():
    """Every configuration, in each order of updates that its variant has."""
    chosen = []
    for name, given in CONFIGURATIONS.items():
        ordered = "update" in variant_named(given["variant"]).Hyperparameters.model_fields
        for update in ("alternating", "simultaneous") if ordered else ("alternating",):
            chosen.append(pytest.param(given, update, id=f"{name}-{update}"))
    return chosen


@pytest.mark.parametrize(("given", "update"), orders())
def test_losses_equal_those_of_the_variant_in_both_update_orders(given, update):
    configuration = in_order(given, update)
    harness = configuration.harness
    shape = sample_shape(harness.dataset, harness.image_size, harness.channels)
    count = STEPS * getattr(configuration.hyperparameters, "critic_steps", 1)
    images = torch.rand(count, SIZE, *shape, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    variant, program = (networks_of(configuration, shape).double() for _ in range(2))
    program = PLAIN[configuration.variant.name](program)
    if update == "simultaneous":
        # the variant's simultaneous form never weighs L(G(z)) by exactly 0 in D's gradient, and Adam makes
        # that a step wherever D has no other gradient
        variant.k.fill_(START_K)
        program.k = START_K
    reals = iter(images)
    for step, expected in enumerate(steps_of_variant(variant, configuration, iter(images)), start=1):
        found = program.step(lambda: next(reals), DoubleNoise(step))
        assert set(found) <= set(expected)
        assert {"loss_d", "loss_g"} <= set(found)
        for name, value in found.items():
            assert value == pytest.approx(float(expected[name]), rel=1e-6), (step, name)


def test_the_began_family_and_its_first_competitor_have_plain_rewritings():
    family = {name for name, kind in all_variants().items() if issubclass(kind, BoundaryEquilibrium)}
    assert set(PLAIN) == family | {"wgan-gp"}


def test_variants_with_a_plain_rewriting_are_measured_unless_others_are_named(monkeypatch):
    monkeypatch.setattr(rewriting, "measure_each", lambda names, measure_one: names)
    measured = rewriting.measure(Request(()))
    assert measured == [f"{name}, {kind}" for name in PLAIN for kind in ("quick", "published layers")]
    assert rewriting.measure(Request(("began",))) == ["began, quick", "began, published layers"]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_images_of_the_loader_are_those_of_the_array(channels):
    samples = np.random.default_rng(0).integers(0, 256, (5, channels, 8, 8), dtype=np.uint8)
    pictures = Pictures(samples)
    expected = torch.from_numpy(samples).float() / 127.5 - 1
    torch.testing.assert_close(torch.stack([pictures[place] for place in range(5)]), expected)


def test_only_layers_of_torch_are_used():
    configuration = in_order(CONFIGURATIONS["began-quick"], "alternating")
    variant = networks_of(configuration, (1, 32, 32))
    PLAIN["began"](variant)
    convolutions = [each for each in variant.modules() if isinstance(each, torch.nn.modules.conv._ConvNd)]
    assert convolutions
    assert all(type(each).__module__.startswith("torch.") for each in convolutions)
