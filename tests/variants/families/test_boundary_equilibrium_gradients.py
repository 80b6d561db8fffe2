"""Gradients of each phase against autograd of the equations, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from variants.base import Batch

UPDATES = ["simultaneous", "alternating"]


NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("began", {"layers": "published"}),
    ("began", {"layers": "strided"}),
    ("began-cs", {"layers": "published"}),
    ("began-cs", {"layers": "strided"}),
    ("began-v3", {"layers": "published"}),
    ("began-v3", {"layers": "strided"}),
    ("began-v3", {"layers": "strided", "generator_norm": "none"}),
    ("began-resnet18", {}),
    *((name, {"layers": "points"}) for name in ("began", "began-cs", "began-v3", "began-resnet18")),
    ("began", {"layers": "points", "generator_norm": "none"}),
]


V3_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("began-v3", {"constraint_code": constraint, "fake_code": fake, "kl_over": over})
    for constraint in ("mean", "decoded")
    for fake in ("sample", "mean")
    for over in ("mean", "sum")
]


OTHER_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"norm": norm}) for name in ("began", "began-v3") for norm in ("l2", "frobenius")),
    *((name, {"fresh_latent": True}) for name in ("began", "began-cs", "began-v3")),
    ("began-resnet18", {"fresh_latent": False}),
    ("began-resnet18", {"generator_norm": "none"}),
    ("began-cs", {"alpha": 5.0}),
    ("began-v3", {"kl_fake_limit": 1e-3}),
    ("began-v3", {"kl_weight": 5.0, "kl_over": "sum"}),
]


def cases(options: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(*o, id=" ".join([o[0], *map(str, o[1].values())])) for o in options]


Fixture = Callable[..., Any]


every_network = pytest.mark.parametrize(("name", "knobs"), cases(NETWORKS))


every_option = pytest.mark.parametrize(("name", "knobs"), cases(V3_OPTIONS + OTHER_OPTIONS))


every_update = pytest.mark.parametrize("update", UPDATES)


every_k = pytest.mark.parametrize("k", [0.0, 0.3, 1.0])


def largest(gradients: list[Tensor]) -> float:
    return max(gradient.abs().max().item() for gradient in gradients)


def assert_same(found: list[Tensor], expected: list[Tensor], slack: float = 0.0) -> None:
    assert largest(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10 * largest(expected) + slack)


class Setting:
    """One variant before its step, the equations of that step, and the gradients the phases left."""

    def __init__(
        self,
        build: Fixture,
        samples: Fixture,
        double_noise: Fixture,
        phases_run: Fixture,
        equations: Fixture,
        name: str,
        knobs: dict[str, Any],
        update: str,
        k: float,
    ) -> None:
        self.variant = build(name, shaken=True, dtype=torch.float64, update=update, **knobs)
        self.variant.k.fill_(k)
        real = samples(self.variant)
        self.equations = equations(self.variant, real, double_noise())
        _, self.left = phases_run(self.variant, Batch(real, double_noise()))


@pytest.fixture
def setting(
    build: Fixture, samples: Fixture, double_noise: Fixture, phases_run: Fixture, equations: Fixture
) -> Callable[..., Setting]:
    return lambda *choice: Setting(build, samples, double_noise, phases_run, equations, *choice)


def check_generator(made: Setting, gradient: Fixture) -> None:
    expected = gradient(made.equations.generator_loss(), made.equations.parameters("generator"))
    assert_same(made.left["generator"], expected)


def check_discriminator(made: Setting, gradient: Fixture, update: str, k: float) -> None:
    parameters = made.equations.parameters("discriminator")
    parts = made.equations.discriminator_losses()
    expected = gradient(parts["loss_d"], parameters)
    slack = 0.0
    if update == "simultaneous" and k == 0.0:  # where the weight of L(G(z)) is 2**-27
        slack = 2.0**-27 * largest(gradient(parts["loss_fake"], parameters))
    assert_same(made.left["discriminator"], expected, slack)


@every_k
@every_update
@every_network
def test_the_generator_gradient_is_that_of_l_g(
    setting: Fixture, gradient: Fixture, name: str, knobs: dict[str, Any], update: str, k: float
) -> None:
    check_generator(setting(name, knobs, update, k), gradient)


@every_k
@every_update
@every_network
def test_the_discriminator_gradient_is_that_of_l_d_at_fixed_samples(
    setting: Fixture, gradient: Fixture, name: str, knobs: dict[str, Any], update: str, k: float
) -> None:
    check_discriminator(setting(name, knobs, update, k), gradient, update, k)


@every_update
@every_option
def test_both_gradients_are_those_of_l_d_and_l_g_with_every_option(
    setting: Fixture, gradient: Fixture, name: str, knobs: dict[str, Any], update: str
) -> None:
    made = setting(name, knobs, update, 0.3)
    check_generator(made, gradient)
    check_discriminator(made, gradient, update, 0.3)


@every_k
@every_network
def test_both_update_orders_have_the_same_discriminator_gradient_for_the_same_latents(
    setting: Fixture, gradient: Fixture, name: str, knobs: dict[str, Any], k: float
) -> None:
    one = setting(name, knobs, "simultaneous", k)
    other = setting(name, knobs, "alternating", k)
    fake_gradient = gradient(
        one.equations.discriminator_losses()["loss_fake"], one.equations.parameters("discriminator")
    )
    slack = 2.0**-27 * largest(fake_gradient) if k == 0.0 else 0.0
    assert_same(one.left["discriminator"], other.left["discriminator"], slack)


@every_network
def test_at_k_0_fake_samples_do_not_train_the_decoder(
    setting: Fixture, gradient: Fixture, name: str, knobs: dict[str, Any]
) -> None:
    """All that fakes do to D at k = 0 is L_c, which is the encoder's."""
    made = setting(name, knobs, "alternating", 0.0)
    decoder = set(made.variant.discriminator.decoder.parameters())
    places = [i for i, p in enumerate(made.variant.trainable_parameters("discriminator")) if p in decoder]
    expected = gradient(
        made.equations.discriminator_losses()["loss_real"], made.equations.parameters("discriminator")
    )
    share = 0.5 if name == "began-v3" else 1.0
    left = made.left["discriminator"]
    assert_same([left[i] for i in places], [share * expected[i] for i in places])


@pytest.mark.parametrize("name", ["began-cs", "began-v3"])
def test_the_constraint_loss_depends_on_the_generator(
    build: Fixture, gradient: Fixture, equations: Fixture, images: Fixture, double_noise: Fixture, name: str
) -> None:
    """L_c does depend on G: were it not kept from it, the tests above would see it."""
    variant = build(name, shaken=True, dtype=torch.float64)
    step = equations(variant, images().double(), double_noise())
    guess = step.encode(step.generator(step.latent))[0]
    leak = gradient((step.latent - guess).abs().mean(), step.parameters("generator"))
    assert largest(leak) > 1e-4


@every_network
def test_float32_agrees_with_float64_at_the_start_of_training(
    build: Fixture,
    samples: Fixture,
    phases_run: Fixture,
    double_noise: Fixture,
    single_noise: Fixture,
    gradient: Fixture,
    equations: Fixture,
    name: str,
    knobs: dict[str, Any],
) -> None:
    """At k = 0 the simultaneous form divides by 2**-27; float32 must bear it."""
    precise = build(name, shaken=True, dtype=torch.float64, update="simultaneous", **knobs)
    step = equations(precise, samples(precise), double_noise())
    expected = gradient(step.generator_loss(), step.parameters("generator"))
    variant = build(name, shaken=True, update="simultaneous", **knobs)
    _, left = phases_run(variant, Batch(samples(variant), single_noise()))
    distance = sum((a.double() - b).square().sum() for a, b in zip(left["generator"], expected, strict=True))
    assert (distance / sum(b.square().sum() for b in expected)).sqrt() < 1e-3
