"""Frozen running statistics of batch norm."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from variants.modules.batch_normalisation import frozen_statistics


@pytest.mark.parametrize(
    ("layer", "shape"), [(torch.nn.BatchNorm2d(2), (8, 2, 3, 3)), (torch.nn.BatchNorm1d(2), (8, 2))]
)
def test_frozen_statistics_use_each_batch_and_leave_the_running_statistics_unchanged(
    layer: Any, shape: tuple[int, ...]
) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = layer.running_mean.clone()
    with frozen_statistics(layer):
        measured = layer(images)
    assert torch.equal(layer.running_mean, before)
    assert torch.equal(layer(images), measured)
    assert not torch.equal(layer.running_mean, before)
