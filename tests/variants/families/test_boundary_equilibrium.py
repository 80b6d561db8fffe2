"""Losses, k and M of the family against the equations, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from variants.base import Batch
from variants.modules.losses import mean_loss

Fixture = Callable[..., Any]
FAMILY = ["began", "began-cs", "began-v3", "began-resnet18"]
UPDATES = ["simultaneous", "alternating"]


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(("norm", "factor"), [("l1", 1.0), ("l2", 1.0), ("frobenius", 0.5)])
def test_four_times_the_batch_halves_frobenius_and_leaves_the_means(
    build: Fixture, images: Fixture, double_noise: Fixture, norm: str, factor: float
) -> None:
    variant = build("began", norm=norm, shaken=True, dtype=torch.float64)
    (phase,) = variant.phases()
    real = images().double()
    once = phase.accumulate_gradients(Batch(real, double_noise()))["loss_real"]
    repeated = phase.accumulate_gradients(Batch(real.repeat(4, 1, 1, 1), double_noise()))["loss_real"]
    assert (repeated / once).item() == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2", "frobenius"])
@pytest.mark.parametrize("name", ["began", "began-resnet18"])
def test_the_loss_of_real_images_is_the_norm_of_their_residual(
    build: Fixture, images: Fixture, double_noise: Fixture, name: str, norm: str
) -> None:
    variant = build(name, norm=norm, shaken=True, dtype=torch.float64)
    real = images().double()
    with torch.no_grad():
        expected = mean_loss(real - variant.discriminator(real), norm)
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
    assert scalars["loss_real"].item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(
    ("k", "loss_real", "loss_fake", "expected"),
    [
        (0.3, 0.8, 0.1, 0.33),  # gamma 0.5, lambda_k 0.1: L(G(z)) below gamma L(x) raises k
        (0.3, 0.2, 0.5, 0.26),  # above gamma L(x), it lowers k
        (0.3, 0.2, 0.1, 0.3),  # at equilibrium k is constant
        (0.0, 0.8, 0.1, 0.03),
        (0.01, 0.2, 0.5, 0.0),  # clipped from below
        (0.0, 0.2, 0.5, 0.0),
        (0.99, 0.8, 0.1, 1.0),  # clipped from above
        (1.0, 0.8, 0.1, 1.0),
        (1.0, 0.2, 0.5, 0.96),
    ],
)
@pytest.mark.parametrize("name", FAMILY)
def test_k_changes_by_lambda_k_times_the_balance_and_is_clipped_to_0_and_1(
    build: Fixture,
    name: str,
    k: float,
    loss_real: float,
    loss_fake: float,
    expected: float,
) -> None:
    variant = build(name, gamma=0.5, lambda_k=0.1, reevaluate=False, dtype=torch.float64)
    variant.k.fill_(k)
    scalars = {"loss_real": scalar(loss_real), "loss_fake": scalar(loss_fake)}
    updated = variant.update_state(scalars)
    assert variant.k.item() == pytest.approx(expected, abs=1e-12)
    assert updated["k"].item() == variant.k.item()
    balance = 0.5 * loss_real - loss_fake
    assert updated["balance"].item() == pytest.approx(balance, abs=1e-12)
    assert updated["M"].item() == pytest.approx(loss_real + abs(balance), abs=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0])
def test_gamma_is_the_weight_of_the_loss_of_real_images_in_the_balance(build: Fixture, gamma: float) -> None:
    variant = build("began", gamma=gamma, lambda_k=0.1, dtype=torch.float64)
    variant.k.fill_(0.5)
    scalars = {"loss_real": scalar(0.8), "loss_fake": scalar(0.3)}
    updated = variant.update_state(scalars)
    assert updated["balance"].item() == pytest.approx(gamma * 0.8 - 0.3, abs=1e-12)
    assert variant.k.item() == pytest.approx(0.5 + 0.1 * (gamma * 0.8 - 0.3), abs=1e-12)


def test_the_returned_k_is_not_changed_by_the_next_update(build: Fixture) -> None:
    variant = build("began", lambda_k=0.1, dtype=torch.float64)
    scalars = {"loss_real": scalar(0.8), "loss_fake": scalar(0.1)}
    first = variant.update_state(scalars)["k"]
    variant.update_state(scalars)
    assert first.item() == pytest.approx(0.03, abs=1e-12)


@pytest.mark.parametrize("name", FAMILY)
def test_k_starts_at_0(build: Fixture, name: str) -> None:
    assert build(name).k.item() == 0.0


FORMS = [(name, {"update": update}, k) for name in FAMILY for update in UPDATES for k in (0.0, 0.3, 1.0)]


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"update": "alternating", "fresh_latent": True}) for name in FAMILY),
    *((name, {"norm": norm}) for name in FAMILY for norm in ("l2", "frobenius")),
    *((name, {"layers": "strided", "update": u}) for name in FAMILY[:3] for u in UPDATES),
    *((name, {"layers": "points", "update": u}) for name in FAMILY for u in UPDATES),
    ("began-cs", {"layers": "points", "reevaluate": False}),
    *((name, {"prior": "normal"}) for name in FAMILY[:3]),
    ("began-resnet18", {"prior": "uniform", "fresh_latent": False}),
    ("began", {"reevaluate": True}),
    ("began", {"reevaluate": True, "update": "alternating", "fresh_latent": True}),
    ("began-cs", {"reevaluate": False}),
    ("began-cs", {"reevaluate": True, "update": "alternating"}),
    ("began-cs", {"reevaluate": True, "update": "simultaneous"}),
    ("began-cs", {"alpha": 2.0, "update": "simultaneous", "reevaluate": False}),
    ("began-v3", {"layers": "table3"}),
    ("began-v3", {"kl_over": "sum"}),
    ("began-v3", {"kl_over": "mean", "kl_weight": 0.2}),
    ("began-v3", {"kl_over": "sum", "kl_weight": 3.0, "update": "simultaneous"}),
    ("began-v3", {"kl_fake_limit": 1e-3}),
    ("began-v3", {"kl_fake_limit": 1e-3, "kl_over": "sum", "update": "simultaneous"}),
    ("began-v3", {"constraint_code": "decoded", "alpha": 2.0}),
    ("began-v3", {"constraint_code": "decoded", "fake_code": "mean"}),
    ("began-v3", {"fake_code": "mean"}),
    ("began-v3", {"fake_code": "mean", "update": "simultaneous"}),
]


@pytest.mark.parametrize(
    ("name", "knobs", "k"),
    [
        pytest.param(name, knobs, k, id=" ".join(map(str, (name, *knobs.values(), k))))
        for name, knobs, k in [*FORMS, *((name, knobs, 0.3) for name, knobs in OPTIONS)]
    ],
)
def test_one_step_gives_the_losses_k_and_m_of_the_equations(
    build: Fixture,
    samples: Fixture,
    double_noise: Fixture,
    phases_run: Fixture,
    equations: Fixture,
    name: str,
    knobs: dict[str, Any],
    k: float,
) -> None:
    """Each network takes a step of gradient descent in its phase, so that the order of updates matters."""
    rate = 0.01
    variant = build(name, shaken=True, dtype=torch.float64, gamma=0.8, lambda_k=0.2, **knobs)
    variant.k.fill_(k)
    real = samples(variant)
    reference = equations(variant, real, double_noise())
    expected = reference.step(rate)

    batch = Batch(real, double_noise())
    logged, _ = phases_run(variant, batch, rate)
    logged |= variant.scalars_after_phases(batch)
    logged |= variant.update_state(logged)

    # in the simultaneous form, the weight of L(G(z)) is at least 2**-27, even at k = 0
    slack = 1e-7 if k == 0.0 and variant.hyperparameters.update == "simultaneous" else 1e-10
    assert set(logged) == set(expected)
    for key, value in expected.items():
        assert logged[key].item() == pytest.approx(value, rel=slack, abs=1e-12), key
    assert variant.k.item() == pytest.approx(expected["k"], rel=slack, abs=1e-12)
    for network in ("generator", "discriminator"):
        for found, wanted in zip(
            variant.trainable_parameters(network), reference.parameters(network), strict=True
        ):
            torch.testing.assert_close(found, wanted, rtol=slack, atol=slack)


@pytest.mark.parametrize("name", FAMILY)
def test_a_step_of_that_size_changes_the_losses_measurably(
    build: Fixture, images: Fixture, double_noise: Fixture, phases_run: Fixture, name: str
) -> None:
    """If a step did not change the losses, the test above would not depend on the order of updates."""
    variant = build(name, shaken=True, dtype=torch.float64, update="alternating", fresh_latent=False)
    real = images().double()
    before, _ = phases_run(variant, Batch(real, double_noise()), 0.01)
    after, _ = phases_run(variant, Batch(real, double_noise()), 0.0)
    for key in ("loss_real", "loss_g"):
        assert abs(after[key].item() / before[key].item() - 1) > 1e-5, key
