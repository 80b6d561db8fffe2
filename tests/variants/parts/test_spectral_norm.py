"""Spectral norm against the singular values of torch.linalg."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.parts.spectral_norm import add_spectral_norm, iterate_spectral_norms


def largest_singular_value(layer: nn.Module, weight: torch.Tensor) -> float:
    matrix = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
    return torch.linalg.svdvals(matrix.detach().flatten(1).double())[0].item()


LAYERS = [
    lambda: nn.Linear(7, 5),
    lambda: nn.Conv2d(3, 6, 4, stride=2),
    lambda: nn.ConvTranspose2d(6, 4, 4, stride=2),
]


@pytest.mark.parametrize("build", LAYERS, ids=["linear", "convolution", "transposed"])
def test_after_many_iterations_the_largest_singular_value_is_1(build: object) -> None:
    torch.manual_seed(0)
    layer = build()
    plain = layer.weight.detach().clone()
    network = nn.Sequential(layer)
    add_spectral_norm(network)
    for _ in range(200):
        iterate_spectral_norms(network)
    assert largest_singular_value(layer, layer.weight) == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(
        layer.weight, plain / largest_singular_value(layer, plain), rtol=1e-4, atol=1e-6
    )


def test_initial_weights_are_close_to_their_norm_already() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(8, 16, 4), nn.Linear(100, 1))
    add_spectral_norm(network)
    values = [largest_singular_value(layer, layer.weight) for layer in network]
    assert values[0] == pytest.approx(1, rel=0.05)
    assert values[1] == pytest.approx(1, rel=1e-5)


def test_one_iteration_is_that_of_algorithm_1() -> None:
    torch.manual_seed(2)
    layer = nn.Linear(6, 4)
    add_spectral_norm(nn.Sequential(layer))
    part = layer.parametrizations.weight[0]
    weight = layer.parametrizations.weight.original.detach()
    left = part.left.clone()
    iterate_spectral_norms(nn.Sequential(layer))
    right = weight.T @ left / torch.linalg.norm(weight.T @ left)
    new_left = weight @ right / torch.linalg.norm(weight @ right)
    torch.testing.assert_close(part.right, right)
    torch.testing.assert_close(part.left, new_left)
    torch.testing.assert_close(layer.weight, weight / (new_left @ weight @ right))


def test_the_gradient_is_that_of_the_quotient_with_fixed_singular_vectors() -> None:
    torch.manual_seed(3)
    layer = nn.Linear(5, 3, bias=False).double()
    add_spectral_norm(nn.Sequential(layer))
    layer.double()
    part = layer.parametrizations.weight[0]
    original = layer.parametrizations.weight.original
    samples, upstream = torch.randn(4, 5).double(), torch.randn(4, 3).double()
    (layer(samples) * upstream).sum().backward()
    sigma = part.left @ original @ part.right
    plain = upstream.T @ samples
    # d (W / sigma) with d sigma = left x right
    expected = plain / sigma - (plain * original).sum() / sigma**2 * torch.outer(part.left, part.right)
    torch.testing.assert_close(original.grad, expected)


def test_a_forward_pass_changes_nothing_and_batch_norm_goes() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 4), nn.BatchNorm2d(4), nn.LeakyReLU(0.2))
    add_spectral_norm(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()(torch.randn(2, 1, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    assert before.keys() == {
        "0.bias",
        "0.parametrizations.weight.original",
        "0.parametrizations.weight.0.left",
        "0.parametrizations.weight.0.right",
    }


def test_frozen_layers_stay_as_they_are() -> None:
    network = nn.Sequential(nn.Linear(3, 3)).requires_grad_(False)
    add_spectral_norm(network)
    assert set(network.state_dict()) == {"0.weight", "0.bias"}
