"""Statistics of a batch against their formulas, with loops over samples."""

from __future__ import annotations

import math

import pytest
import torch

from variants.parts.batch_statistics import (
    BatchStatistics,
    MinibatchDeviation,
    MinibatchDiscrimination,
    batch_statistics,
)


def test_minibatch_discrimination_is_that_of_salimans() -> None:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(6, kernels=4, dimensions=3).double()
    features = torch.randn(5, 6, dtype=torch.float64)
    found = layer(features)
    assert found.shape == (5, 10)
    assert torch.equal(found[:, :6], features)
    for i in range(5):
        for kernel in range(4):
            rows = [features[j] @ layer.kernel[:, kernel] for j in range(5)]
            expected = sum(math.exp(-(rows[i] - row).abs().sum().item()) for row in rows)
            assert found[i, 6 + kernel].item() == pytest.approx(expected)


def test_equal_samples_are_as_close_as_can_be() -> None:
    layer = MinibatchDiscrimination(6, kernels=4, dimensions=3)
    closeness = layer(torch.ones(7, 6))[:, 6:]
    torch.testing.assert_close(closeness, torch.full((7, 4), 7.0))


@pytest.mark.parametrize("shape", [(5, 6), (5, 3, 4, 4)], ids=["features", "maps"])
def test_minibatch_deviation_is_the_mean_of_the_deviations(shape: tuple[int, ...]) -> None:
    features = torch.randn(shape, dtype=torch.float64)
    found = MinibatchDeviation()(features)
    assert found.shape == (5, shape[1] + 1, *shape[2:])
    assert torch.equal(found[:, :-1], features)
    expected = features.numpy().std(axis=0).mean()
    appended = found[:, -1]
    torch.testing.assert_close(appended, torch.full_like(appended, expected), rtol=1e-6, atol=0)


def test_the_gradient_is_finite_where_all_samples_are_equal() -> None:
    features = torch.ones(4, 6, requires_grad=True)
    MinibatchDeviation()(features).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(
    ("knobs", "further"),
    [
        ({}, 0),
        ({"minibatch_deviation": True}, 1),
        ({"minibatch_kernels": 7}, 7),
        ({"minibatch_deviation": True, "minibatch_kernels": 7}, 8),
    ],
)
def test_statistics_are_those_that_are_switched_on(knobs: dict[str, object], further: int) -> None:
    layers, count = batch_statistics(BatchStatistics(**knobs), 6)
    assert count == further
    if layers is None:
        assert further == 0
    else:
        assert layers(torch.randn(3, 6)).shape == (3, 6 + further)
