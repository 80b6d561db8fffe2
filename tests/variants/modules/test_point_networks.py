"""Initial weights of networks for points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from variants.modules.initialisation import layers_with_weights


@pytest.mark.parametrize("name", ["began", "began-cs", "began-v3", "wgan-gp"])
def test_initial_networks_have_biases_and_generate_points_that_are_spread_out(
    build: Callable[..., Any], name: str
) -> None:
    variant = build(name, layers="points", filters=64, latent_dim=2)
    first = next(layers_with_weights(variant.discriminator))
    assert first.bias is not None
    assert first.bias.std() > 0.5
    with torch.no_grad():
        sampled = variant.eval().generator(2 * torch.rand(500, 2) - 1)
    assert sampled.mean(0).abs().max() < 0.1
    assert 0.3 < sampled.std() < 0.5
