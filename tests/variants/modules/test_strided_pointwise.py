"""1x1 convolutions with a stride: torch's own, and never a write past a buffer."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, get_args

import pytest
import torch
from torch import nn

from variants.modules.strided_pointwise import VECTOR, StridedPointwise, overruns, replace_strided_pointwise
from variants.registry import all_variants

# variants with a choice of layers, and those without
LAYERS: list[tuple[str, dict[str, Any]]] = [
    (name, {"layers": layers} if layers else {})
    for name, kind in all_variants().items()
    for layers in (
        get_args(kind.Hyperparameters.model_fields["layers"].annotation)
        if "layers" in kind.Hyperparameters.model_fields
        else [""]
    )
    if layers != "points"
]

# a narrow ResNet-18's shortcuts by float32 kernels, and by float64 ones, in which oneDNN has no part
SHORTCUTS = """
import copy, itertools, torch
from variants.began_resnet18 import ResNet18Features

def results(layer, maps, upstream):
    made = layer(maps.requires_grad_())
    return made, *torch.autograd.grad(made, [maps, layer.weight], upstream)

torch.manual_seed(0)
for filters, threads in itertools.product((2, 4, 7, 15), (1, 2)):
    torch.set_num_threads(threads)
    network = ResNet18Features(1, filters, "random").network
    shortcut = network.layer2[0].downsample[0].to(memory_format=torch.channels_last)
    for side in (8, 32, 64):
        maps = torch.randn(2, filters, side, side)
        upstream = torch.randn(2, 2 * filters, side // 2, side // 2)
        found = results(shortcut, maps.clone(memory_format=torch.channels_last), upstream)
        exact = results(copy.deepcopy(shortcut).double(), maps.double(), upstream.double())
        for name, one, other in zip(("maps", "gradient of maps", "gradient of weights"), found, exact):
            error = (one - other).norm() / other.norm()
            assert error < 1e-4, f"{filters} filters, {threads} threads, side {side}, {name}: {error:.2g}"
"""


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("inputs", "side", "stride"), [(1, 4, 2), (3, 7, 2), (15, 2, 2), (4, 8, (2, 3))])
@pytest.mark.parametrize("bias", [False, True])
def test_it_equals_the_convolution_of_torch_with_its_gradients(
    inputs: int, side: int, stride: int | tuple[int, int], bias: bool, layout: torch.memory_format
) -> None:
    theirs = nn.Conv2d(inputs, 5, 1, stride, bias=bias).double().to(memory_format=layout)
    ours = StridedPointwise.of(theirs)
    maps = torch.randn(2, inputs, side, side, dtype=torch.float64).to(memory_format=layout)
    maps.requires_grad_()
    torch.testing.assert_close(ours(maps), theirs(maps), rtol=1e-12, atol=1e-12)
    wanted = [maps, *theirs.parameters()]
    upstream = torch.randn_like(theirs(maps))
    found, expected = (torch.autograd.grad(layer(maps), wanted, upstream) for layer in (ours, theirs))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_channels_last_maps_is_channels_last() -> None:
    layer = StridedPointwise(4, 8, 1, stride=2)
    maps = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    (found,) = torch.autograd.grad(layer(maps).sum(), maps)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_narrow_layers_are_replaced_with_their_parameters_and_without_random_draws() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, VECTOR - 1, 3, stride=2), nn.Sequential(nn.Conv2d(VECTOR - 1, VECTOR, 1, stride=2)),
        nn.Conv2d(VECTOR, 4, 1, stride=2), nn.Conv2d(4, 4, 1),
    )  # fmt: skip
    parameters, before = list(network.parameters()), torch.get_rng_state()
    replace_strided_pointwise(network)
    replaced = [isinstance(layer, StridedPointwise) for layer in network.modules()]
    assert replaced == [False, False, False, True, False, False]
    assert all(one is other for one, other in zip(parameters, network.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("name", "layers"), LAYERS)
def test_no_variant_has_a_layer_that_overruns_at_any_width(name: str, layers: dict[str, Any]) -> None:
    kind = all_variants()[name]
    for filters in (1, 3, 4, VECTOR - 1):
        knobs = kind.Hyperparameters(filters=filters, latent_dim=3, **layers)
        with torch.device("meta"):
            variant = kind(knobs, (1, 32, 32))
        for layer in variant.modules():
            assert not (isinstance(layer, nn.Conv2d) and overruns(layer)), (filters, layer)


@pytest.mark.parametrize("kernels", ["AVX2", "DEFAULT"])
def test_a_narrow_resnet_s_gradients_are_right_and_its_memory_whole(kernels: str) -> None:
    # glibc's heap checker, where there is one, ends the process when a damaged block is freed
    checked = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SHORTCUTS],
        env=os.environ | checked | {"ONEDNN_MAX_CPU_ISA": kernels}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
