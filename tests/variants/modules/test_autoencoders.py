"""Encoders of autoencoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from variants.modules.autoencoders import LOG_VARIANCE_LIMIT


def test_log_variance_is_clamped_so_that_its_exponential_stays_finite(build: Callable[..., Any]) -> None:
    variant = build("began-v3")
    with torch.no_grad():
        for sign in (1.0, -1.0):
            variant.discriminator.log_variance.bias.fill_(1e4 * sign)
            encoding = variant.discriminator.encode(torch.zeros(2, 1, 28, 28))
            assert torch.equal(encoding.log_variance, torch.full((2, 6), LOG_VARIANCE_LIMIT * sign))
            assert encoding.log_variance.exp().isfinite().all()
