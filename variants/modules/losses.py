"""Reconstruction losses L(v) = norm of v - D(v)."""

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["l1", "l2", "frobenius"]

# Norms whose value also depends on the batch size B (as 1/sqrt(B)): M is comparable at equal B only.
BATCH_SIZE_DEPENDENT_NORMS = frozenset({"frobenius"})


def mean_loss(residual: Tensor, norm: Norm) -> Tensor:
    """Return L(v) of a residual v - D(v), shape (B, ...), under a named norm, as a 0-d tensor.

    ``l1`` is the mean absolute error, ``l2`` the mean squared error and ``frobenius`` the Frobenius
    norm of the whole batch over the batch size, as in the BEGAN-CS program (it scales as 1/sqrt(B)).
    Values of M under different norms cannot be compared.
    """
    if norm == "l1":
        return residual.abs().mean()
    if norm == "l2":
        return residual.square().mean()
    if norm == "frobenius":
        return torch.linalg.vector_norm(residual) / residual.shape[0]
    raise ValueError(f"norm {norm!r} is none of l1, l2, frobenius")
