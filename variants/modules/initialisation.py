"""Initial weights of convolutions and linear layers."""

from collections.abc import Callable, Iterator

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


def initialise(module: nn.Module, fill: Callable[[Tensor], object]) -> None:
    """Fill the weight of every convolution and linear layer with `fill`, and set every bias to zero.

    Of a layer with a parametrization, such as spectral norm, the parameter behind the weight is filled.
    """
    for layer in layers_with_weights(module):
        if is_parametrized(layer, "weight"):
            weight = layer.weight.detach().clone()
            fill(weight)
            layer.weight = weight
        else:
            fill(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def layers_with_weights(module: nn.Module) -> Iterator[nn.Conv2d | nn.ConvTranspose2d | nn.Linear]:
    """Yield the convolutions and linear layers of a module, in order."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            yield layer
