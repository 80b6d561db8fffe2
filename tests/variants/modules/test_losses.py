"""Norms of residuals against their formulas, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from variants.modules.losses import mean_loss


def numpy_loss(residual: np.ndarray, norm: str) -> float:
    if norm == "l1":
        return float(np.abs(residual).sum() / residual.size)
    if norm == "l2":
        return float((residual**2).sum() / residual.size)
    return float(np.sqrt((residual**2).sum()) / len(residual))


@pytest.mark.parametrize("norm", ["l1", "l2", "frobenius"])
def test_each_norm_equals_its_formula(norm: str) -> None:
    residual = np.random.default_rng(3).normal(size=(5, 3, 4, 4))
    found = mean_loss(torch.from_numpy(residual), norm)
    assert found.item() == pytest.approx(numpy_loss(residual, norm), rel=1e-12)


def test_norms_of_a_residual_of_one_half() -> None:
    residual = torch.full((4, 1, 6, 6), -0.5, dtype=torch.float64)
    assert mean_loss(residual, "l1").item() == pytest.approx(0.5)
    assert mean_loss(residual, "l2").item() == pytest.approx(0.25)
    assert mean_loss(residual, "frobenius").item() == pytest.approx(math.sqrt(4 * 36 * 0.25) / 4)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="l1, l2, frobenius"):
        mean_loss(torch.zeros(1, 1), "l3")
