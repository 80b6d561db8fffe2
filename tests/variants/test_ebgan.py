"""EBGAN's energies, margin and pulling-away term against equations 1 to 5 of the paper, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gradients import assert_phase_follows
from ring import learn_ring
from torch import Tensor

from variants.base import Batch

Fixture = Callable[..., Any]
NORMS = ["l1", "l2", "euclidean"]


@pytest.fixture(params=[{}, {"layers": "points"}], ids=["images", "points"])
def layers(request: pytest.FixtureRequest) -> dict[str, str]:
    return request.param


def built(build: Fixture, layers: dict[str, str], **knobs: Any) -> Any:
    return build("ebgan", shaken=True, dtype=torch.float64, **layers, **knobs)


def energy(variant: Any, samples: Tensor) -> list[Tensor]:
    """Return the energy of each sample by the definition of the norm."""
    found = []
    for sample, other in zip(samples, variant.discriminator(samples), strict=True):
        values = (other - sample).flatten()
        norms = {
            "l1": values.abs().sum() / len(values),
            "l2": (values**2).sum() / len(values),
            "euclidean": (values**2).sum().sqrt(),
        }
        found.append(norms[variant.hyperparameters.norm])
    return found


@pytest.mark.parametrize("norm", NORMS)
def test_the_discriminator_pushes_fakes_up_to_the_margin_one_by_one(
    build: Fixture,
    samples: Fixture,
    double_noise: Fixture,
    layers: dict[str, str],
    norm: str,
) -> None:
    first = built(build, layers, norm=norm)
    fake = first.generator(double_noise().normal("latent", (3, 6))).detach()
    # between the energies of the fake samples: some are pushed, others not
    margin = sum(each.item() for each in energy(first, fake)) / 3
    variant = built(build, layers, norm=norm, margin=margin)
    real = samples(variant)
    of_real, of_fake = energy(variant, real), energy(variant, fake)
    assert any(each.item() > margin for each in of_fake)
    assert any(each.item() < margin for each in of_fake)
    pushed = [margin - each for each in of_fake if each.item() < margin]
    loss = (sum(of_real) + sum(pushed)) / 3
    scalars = assert_phase_follows(variant, 0, loss, Batch(real, double_noise()), rtol=1e-7)
    assert scalars["energy_real"].item() == pytest.approx(sum(of_real).item() / 3, rel=1e-10)
    assert scalars["energy_fake"].item() == pytest.approx(sum(of_fake).item() / 3, rel=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_the_generator_minimises_its_energy_and_the_squared_cosines_of_its_codes(
    build: Fixture,
    samples: Fixture,
    double_noise: Fixture,
    layers: dict[str, str],
    norm: str,
) -> None:
    variant = built(build, layers, norm=norm, pulling_away_weight=0.3)
    fake = variant.generator(double_noise().normal("latent", (3, 6)))
    codes = variant.discriminator.mean(variant.discriminator.trunk(fake))
    squares = [
        (codes[i] @ codes[j] / (codes[i].norm() * codes[j].norm())) ** 2
        for i in range(3)
        for j in range(3)
        if i != j
    ]
    term = sum(squares) / (3 * 2)
    loss = sum(energy(variant, fake)) / 3 + 0.3 * term
    scalars = assert_phase_follows(variant, 1, loss, Batch(samples(variant), double_noise()), rtol=1e-7)
    assert scalars["pulling_away"].item() == pytest.approx(term.item(), rel=1e-10)


def test_a_batch_can_be_split_only_without_the_pulling_away_term(build: Fixture) -> None:
    assert "pulling-away" in build("ebgan").indivisible()
    assert build("ebgan", pulling_away_weight=0).indivisible() == ""


def test_ebgan_covers_some_modes_of_the_ring_and_loses_others() -> None:
    ring = learn_ring("ebgan", steps=1200)
    assert ring.modes_covered >= 3
    assert ring.share_near > 0.08
    assert ring.mean_error < 0.1
