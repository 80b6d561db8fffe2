"""BEGAN-CS: k and M computed again after both updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from variants.base import Batch

Fixture = Callable[..., Any]


def test_k_is_updated_from_the_losses_after_both_updates(
    build: Fixture, images: Fixture, double_noise: Fixture, phases_run: Fixture
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
