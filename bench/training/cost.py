"""What a variant costs before it is trained: parameters, and operations of a step."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bench.configuration import Configuration
from bench.datasets import sample_shape
from variants.base import Batch, Scalars, parameter_count
from variants.noise import Noise


@dataclass(frozen=True)
class Cost:
    """Cost of a configuration.

    Attributes
    ----------
    generator_parameters, discriminator_parameters : int
        Scalars in the networks.
    step_operations : int
        Floating-point operations of a training step, counted in convolutions and matrix products,
        a multiplication and an addition as two.
    scalars : tuple of str
        Names of what a training step records.
    """

    generator_parameters: int
    discriminator_parameters: int
    step_operations: int
    scalars: tuple[str, ...]


def cost(configuration: Configuration) -> Cost:
    """Count without computing: the networks are built on torch's meta device, without data.

    Raises
    ------
    RequestError
        If the data set has no samples of that size.
    ValueError
        If the variant cannot be built at that size.
    """
    meta = torch.device("meta")
    harness = configuration.harness
    shape = sample_shape(harness.dataset, harness.image_size, harness.channels)
    with meta:
        variant = configuration.variant(configuration.hyperparameters, shape)
        batch = Batch(torch.zeros(harness.batch_size, *shape), MetaNoise())
        with OperationCounter() as counter:
            scalars: Scalars = {}
            for phase in variant.phases():
                scalars |= phase.accumulate_gradients(batch)
            scalars |= variant.scalars_after_phases(batch)
            scalars |= variant.update_state(scalars)
    counts = parameter_count(variant.generator), parameter_count(variant.discriminator)
    return Cost(*counts, counter.total, tuple(scalars))


class OperationCounter(TorchDispatchMode):
    """Adds up what torch's own formulas say of each operation, backward and second-order ones too.

    torch's FlopCounterMode, which attributes operations to modules, refuses gradients of gradients.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(  # noqa: D105
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


class MetaNoise(Noise):
    """Draws of the right shapes and no values."""

    def __init__(self) -> None:
        super().__init__(0, 0, torch.device("meta"))

    def normal(self, purpose: str, shape: tuple[int, ...]) -> torch.Tensor:
        """A tensor without values."""
        return torch.empty(shape, device=self.device)

    def uniform(
        self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0
    ) -> torch.Tensor:
        """A tensor without values."""
        return torch.empty(shape, device=self.device)
