"""Losses that variants share: reconstruction errors L(v) = norm of v - D(v), and losses of scores d(v)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

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


def cross_entropy(score_real: Tensor, score_fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return D's cross-entropy of scores (B,), 0-d; the target is 1 - smoothing for real, 0 for fake samples.

    -E[log D(x)] - E[log(1 - D(G(z)))] with D = sigmoid(d), Goodfellow et al. 2014, equation 1, and one-sided
    label smoothing, Salimans et al. 2016, section 3.4.
    """
    # -(1 - s) log D - s log(1 - D) = softplus(-d) + s d
    return (softplus(-score_real) + smoothing * score_real).mean() + softplus(score_fake).mean()


def non_saturating(score_fake: Tensor) -> Tensor:
    """Return G's loss -E[log D(G(z))] of scores (B,), 0-d (Goodfellow et al. 2014, section 3)."""
    return softplus(-score_fake).mean()


def hinge(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Return D's hinge loss of scores (B,), 0-d (Miyato et al. 2018, equation 16).

    E[max(0, 1 - d(x))] + E[max(0, 1 + d(G(z)))].
    """
    return relu(1 - score_real).mean() + relu(1 + score_fake).mean()


EnergyNorm = Literal["l1", "l2", "euclidean"]


def energies(residual: Tensor, norm: EnergyNorm) -> Tensor:
    """Return the energy of each sample from its residual D(v) - v, (B, ...) to (B,).

    ``l1`` is the mean absolute error of a sample, ``l2`` its mean squared error, ``euclidean`` the Euclidean
    length of its residual: at n values a sample, sqrt(n) times the root of ``l2``.
    """
    flat = residual.flatten(1)
    if norm == "l1":
        return flat.abs().mean(1)
    if norm == "l2":
        return flat.square().mean(1)
    if norm == "euclidean":
        return flat.norm(dim=1)
    raise ValueError(f"norm {norm!r} is none of l1, l2, euclidean")
