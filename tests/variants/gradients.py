"""Losses and gradients of a variant's phases, compared with those of a loss that a test computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from variants.base import Batch, Scalars


def gradient_of(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Return the gradient of a loss by autograd, zeros for parameters that do not affect the loss."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def assert_phase_follows(
    variant: Any, number: int, loss: Tensor, batch: Batch, rtol: float = 1e-8, atol: float = 1e-10
) -> Scalars:
    """Run a phase: D's if `number` is 0, else G's; its loss and gradients are those of `loss`.

    Returns the scalars of the phase. The gradients are those of every network that the phase updates.
    """
    phase = variant.phases()[number]
    assert phase.updates[0] == ("generator" if number else "discriminator")
    expected = [(name, gradient_of(loss, variant.trainable_parameters(name))) for name in phase.updates]
    scalars: Scalars = phase.accumulate_gradients(batch)
    assert scalars["loss_g" if number else "loss_d"].item() == pytest.approx(loss.item(), rel=1e-10)
    for name, wanted in expected:
        for parameter, gradient in zip(variant.trainable_parameters(name), wanted, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=rtol, atol=atol)
    return scalars
