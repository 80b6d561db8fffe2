"""Spectral norm: every layer is divided by its largest singular value (Miyato et al. 2018).

The power iteration runs once after each update, from the weights alone, and never in a forward pass. Every
forward pass between two updates, on any micro-batch and any rank, has the same weights.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from variants.knobs import Knobs, knob
from variants.modules.batch_normalisation import BATCH_NORMS
from variants.modules.initialisation import layers_with_weights

FIRST_ITERATIONS = 15  # of the power iteration on initial weights; as many as torch's own


class SpectralNorm(Knobs):
    """Whether the layers of D have spectral norm."""

    spectral_norm: bool = knob(
        False,
        "spectral norm of every layer of D in place of batch norm, one power iteration per update",
        neutral=(False,),
    )


class SpectralNormalised(nn.Module):
    """Parametrization W / sigma(W), sigma(W) = u W v with the singular vectors u and v of the last iteration.

    Parameters
    ----------
    weight : Tensor
        The weight, whose first vectors are drawn from torch's generator.
    output_dimension : int
        Dimension of the output channels: 1 of a transposed convolution, else 0.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, output_dimension: int) -> None:
        super().__init__()
        self.output_dimension = output_dimension
        rows, columns = self.matrix(weight).shape
        for name, size in (("left", rows), ("right", columns)):
            drawn = torch.randn(size, dtype=weight.dtype, device=weight.device)
            self.register_buffer(name, nn.functional.normalize(drawn, dim=0))
        for _ in range(FIRST_ITERATIONS):
            self.iterate(weight)

    def matrix(self, weight: Tensor) -> Tensor:
        """Return the weight as a matrix with a row for each output channel."""
        return weight.transpose(0, self.output_dimension).flatten(1)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """Run one power iteration (algorithm 1)."""
        matrix = self.matrix(weight)
        self.right.copy_(nn.functional.normalize(matrix.T @ self.left, dim=0))
        self.left.copy_(nn.functional.normalize(matrix @ self.right, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """Return W / sigma(W); the gradient reaches W through sigma as well."""
        # a sum rather than a product of matrices, which mixed precision would round
        sigma = (self.matrix(weight) * (self.left[:, None] * self.right)).sum()
        return weight / sigma


def add_spectral_norm(module: nn.Module) -> None:
    """Give every convolution and linear layer spectral norm, from the weights that it has; remove batch norm.

    Batch norm would undo the scale of a layer, and let the Lipschitz constant depend on the batch.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BATCH_NORMS):
                setattr(parent, name, nn.Identity())
    for layer in list(layers_with_weights(module)):
        if not layer.weight.requires_grad:
            continue
        dimension = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        register_parametrization(layer, "weight", SpectralNormalised(layer.weight.detach(), dimension))


@torch.no_grad()
def iterate_spectral_norms(module: nn.Module) -> None:
    """Run one power iteration on every layer of a module that has spectral norm."""
    for part in module.modules():
        if isinstance(part, ParametrizationList):
            for parametrization in part:
                if isinstance(parametrization, SpectralNormalised):
                    parametrization.iterate(part.get_parameter("original"))
