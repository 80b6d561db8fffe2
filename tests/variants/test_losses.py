"""Losses, k and M against the equations, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from variants.base import Batch
from variants.modules.batch_normalisation import frozen_statistics
from variants.modules.losses import mean_loss

FAMILY = ["began", "began-cs", "began-v3", "began-resnet18"]
UPDATES = ["simultaneous", "alternating"]
Build = Callable[..., Any]
Images = Callable[..., Tensor]


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def numpy_loss(residual: np.ndarray, norm: str) -> float:
    if norm == "l1":
        return float(np.abs(residual).sum() / residual.size)
    if norm == "l2":
        return float((residual**2).sum() / residual.size)
    return float(np.sqrt((residual**2).sum()) / len(residual))


@pytest.mark.parametrize("norm", ["l1", "l2", "frobenius"])
def test_a_norm_is_its_formula(norm: str) -> None:
    residual = np.random.default_rng(3).normal(size=(5, 3, 4, 4))
    found = mean_loss(torch.from_numpy(residual), norm)
    assert found.item() == pytest.approx(numpy_loss(residual, norm), rel=1e-12)


def test_norms_of_a_residual_of_one_half_are_known_by_heart() -> None:
    residual = torch.full((4, 1, 6, 6), -0.5, dtype=torch.float64)
    assert mean_loss(residual, "l1").item() == pytest.approx(0.5)
    assert mean_loss(residual, "l2").item() == pytest.approx(0.25)
    assert mean_loss(residual, "frobenius").item() == pytest.approx(math.sqrt(4 * 36 * 0.25) / 4)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="l1, l2, frobenius"):
        mean_loss(torch.zeros(1, 1), "l3")


@pytest.mark.parametrize(("norm", "factor"), [("l1", 1.0), ("l2", 1.0), ("frobenius", 0.5)])
def test_four_times_the_batch_halves_frobenius_and_leaves_the_means(
    build: Build, images: Images, double_noise: Callable[[], Any], norm: str, factor: float
) -> None:
    variant = build("began", norm=norm, shaken=True, dtype=torch.float64)
    (phase,) = variant.phases()
    real = images().double()
    once = phase.accumulate_gradients(Batch(real, double_noise()))["loss_real"]
    repeated = phase.accumulate_gradients(Batch(real.repeat(4, 1, 1, 1), double_noise()))["loss_real"]
    assert (repeated / once).item() == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2", "frobenius"])
@pytest.mark.parametrize("name", ["began", "began-resnet18"])
def test_the_loss_of_real_images_is_the_norm_of_what_is_missing(
    build: Build, images: Images, double_noise: Callable[[], Any], name: str, norm: str
) -> None:
    variant = build(name, norm=norm, shaken=True, dtype=torch.float64)
    real = images().double()
    with torch.no_grad():
        residual = (real - variant.discriminator(real)).numpy()
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
    assert scalars["loss_real"].item() == pytest.approx(numpy_loss(residual, norm), rel=1e-12)


@pytest.mark.parametrize(
    ("k", "loss_real", "loss_fake", "moved"),
    [
        (0.3, 0.8, 0.1, 0.33),  # gamma 0.5, lambda_k 0.1: a generator ahead of its aim pulls k up
        (0.3, 0.2, 0.5, 0.26),  # one behind lets it fall
        (0.3, 0.2, 0.1, 0.3),  # at equilibrium it rests
        (0.0, 0.8, 0.1, 0.03),
        (0.01, 0.2, 0.5, 0.0),  # clipped from below
        (0.0, 0.2, 0.5, 0.0),
        (0.99, 0.8, 0.1, 1.0),  # and from above
        (1.0, 0.8, 0.1, 1.0),
        (1.0, 0.2, 0.5, 0.96),
    ],
)
@pytest.mark.parametrize("name", FAMILY)
def test_k_moves_by_plus_lambda_times_the_balance_and_stays_within_0_and_1(
    build: Build,
    name: str,
    k: float,
    loss_real: float,
    loss_fake: float,
    moved: float,
) -> None:
    variant = build(name, gamma=0.5, lambda_k=0.1, reevaluate=False, dtype=torch.float64)
    variant.k.fill_(k)
    scalars = {"loss_real": scalar(loss_real), "loss_fake": scalar(loss_fake)}
    updated = variant.update_state(scalars)
    assert variant.k.item() == pytest.approx(moved, abs=1e-12)
    assert updated["k"].item() == variant.k.item()
    balance = 0.5 * loss_real - loss_fake
    assert updated["balance"].item() == pytest.approx(balance, abs=1e-12)
    assert updated["M"].item() == pytest.approx(loss_real + abs(balance), abs=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0])
def test_gamma_weighs_the_loss_of_real_images_in_the_balance(build: Build, gamma: float) -> None:
    variant = build("began", gamma=gamma, lambda_k=0.1, dtype=torch.float64)
    variant.k.fill_(0.5)
    scalars = {"loss_real": scalar(0.8), "loss_fake": scalar(0.3)}
    updated = variant.update_state(scalars)
    assert updated["balance"].item() == pytest.approx(gamma * 0.8 - 0.3, abs=1e-12)
    assert variant.k.item() == pytest.approx(0.5 + 0.1 * (gamma * 0.8 - 0.3), abs=1e-12)


def test_the_logged_k_stays_when_k_moves_on(build: Build) -> None:
    variant = build("began", lambda_k=0.1, dtype=torch.float64)
    scalars = {"loss_real": scalar(0.8), "loss_fake": scalar(0.1)}
    first = variant.update_state(scalars)["k"]
    variant.update_state(scalars)
    assert first.item() == pytest.approx(0.03, abs=1e-12)


@pytest.mark.parametrize("name", FAMILY)
def test_k_starts_at_0(build: Build, name: str) -> None:
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
    build: Build,
    samples: Callable[..., Tensor],
    double_noise: Callable[[], Any],
    phases_run: Callable[..., Any],
    equations: Callable[..., Any],
    name: str,
    knobs: dict[str, Any],
    k: float,
) -> None:
    """Each network moves by gradient descent in its phase, so that the order of things is seen."""
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

    # the simultaneous form pulls by 2**-27 even at k = 0
    slack = 1e-7 if k == 0.0 and variant.hyperparameters.update == "simultaneous" else 1e-10
    assert set(logged) == set(expected)
    for key, value in expected.items():
        assert logged[key].item() == pytest.approx(value, rel=slack, abs=1e-12), key
    assert variant.k.item() == pytest.approx(expected["k"], rel=slack, abs=1e-12)
    for network in ("generator", "discriminator"):
        for moved, wanted in zip(
            variant.trainable_parameters(network), reference.parameters(network), strict=True
        ):
            torch.testing.assert_close(moved, wanted, rtol=slack, atol=slack)


@pytest.mark.parametrize("name", FAMILY)
def test_a_step_of_that_size_changes_the_losses(
    build: Build, images: Images, double_noise: Callable[[], Any], phases_run: Callable[..., Any], name: str
) -> None:
    """What the test above says of the order of things would be empty if a step changed nothing."""
    variant = build(name, shaken=True, dtype=torch.float64, update="alternating", fresh_latent=False)
    real = images().double()
    before, _ = phases_run(variant, Batch(real, double_noise()), 0.01)
    after, _ = phases_run(variant, Batch(real, double_noise()), 0.0)
    for key in ("loss_real", "loss_g"):
        assert abs(after[key].item() / before[key].item() - 1) > 1e-5, key


def test_began_cs_moves_k_by_the_losses_measured_again_after_both_updates(
    build: Build, images: Images, double_noise: Callable[[], Any], phases_run: Callable[..., Any]
) -> None:
    variant = build("began-cs", shaken=True, dtype=torch.float64, gamma=0.6, lambda_k=0.3)
    assert variant.hyperparameters.reevaluate
    variant.k.fill_(0.4)
    real = images().double()
    batch = Batch(real, double_noise())
    scalars, _ = phases_run(variant, batch, 0.01)
    latent = double_noise().uniform("latent", (3, 6), -1.0, 1.0)
    with torch.no_grad():
        fake = variant.generator(latent)
        loss_real = (real - variant.discriminator(real)).abs().mean().item()
        loss_fake = (fake - variant.discriminator(fake)).abs().mean().item()
    assert abs(loss_real - scalars["loss_real"].item()) > 1e-6
    updated = variant.update_state(scalars | variant.scalars_after_phases(batch))
    assert variant.k.item() == pytest.approx(0.4 + 0.3 * (0.6 * loss_real - loss_fake), rel=1e-10)
    assert updated["M"].item() == pytest.approx(loss_real + abs(0.6 * loss_real - loss_fake), rel=1e-10)


def test_the_divergence_is_that_of_two_normal_distributions(
    build: Build, images: Images, double_noise: Callable[[], Any]
) -> None:
    variant = build("began-v3", shaken=True, dtype=torch.float64, kl_over="sum")
    real = images().double()
    scalars = variant.phases()[0].accumulate_gradients(Batch(real, double_noise()))
    with torch.no_grad():
        mean, log_variance = variant.discriminator.encode(real)
    encoded = torch.distributions.Normal(mean, (log_variance / 2).exp())
    standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(encoded, standard).sum(1).mean()
    assert scalars["kl_real"].item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize(
    ("layer", "shape"), [(torch.nn.BatchNorm2d(2), (8, 2, 3, 3)), (torch.nn.BatchNorm1d(2), (8, 2))]
)
def test_measuring_again_leaves_batch_norms_running_statistics_alone(
    layer: Any, shape: tuple[int, ...]
) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = layer.running_mean.clone()
    with frozen_statistics(layer):
        measured = layer(images)
    assert torch.equal(layer.running_mean, before)
    assert torch.equal(layer(images), measured)
    assert not torch.equal(layer.running_mean, before)
