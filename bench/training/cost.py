"""Cost of a variant, computed without training: parameters and operations per step."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bench.configuration import Configuration
from bench.datasets import sample_shape
from variants.base import Batch, Scalars, Variant, parameter_count
from variants.noise import Noise


@dataclass(frozen=True)
class Cost:
    """Cost of a configuration.

    Attributes
    ----------
    parameters : dict of str to int
        Number of parameters of each network, by its label.
    step_operations : int or None
        Floating-point operations of the first training step, in convolutions and matrix products; a
        multiplication and an addition count as two. None if the step reads values of tensors.
    scalars : tuple of str
        Names of the scalars that the first training step records, and of those that the variant declares.
    """

    parameters: dict[str, int]
    step_operations: int | None
    scalars: tuple[str, ...]

    @property
    def all_parameters(self) -> int:
        """Number of parameters of all networks."""
        return sum(self.parameters.values())


def cost(configuration: Configuration) -> Cost:
    """Return the cost of a configuration; the networks are built on torch's meta device, without data.

    Raises
    ------
    RequestError
        If the data set has no samples of the configured size, or no labels for a conditional variant.
    ValueError
        If the variant cannot be built at the configured size.
    """
    variant = _without_values(configuration)
    with torch.device("meta"):
        batch = empty_batch(configuration.harness.batch_size, variant.sample_shape, variant.classes)
        operations, recorded = _first_step(variant, batch)
    declared = (scalar.name for scalar in variant.scalars)
    return Cost(_parameters(variant), operations, tuple(dict.fromkeys((*recorded, *declared))))


def parameters(configuration: Configuration) -> dict[str, int]:
    """Return the number of parameters of each network, by its label; much faster than :func:`cost`.

    Raises
    ------
    RequestError
        If the data set has no samples of the configured size, or no labels for a conditional variant.
    ValueError
        If the variant cannot be built at the configured size.
    """
    return _parameters(_without_values(configuration))


def _without_values(configuration: Configuration) -> Variant:
    """Build the networks on torch's meta device."""
    harness = configuration.harness
    shape = sample_shape(harness.dataset, harness.image_size, harness.channels)
    with torch.device("meta"):
        return configuration.variant(configuration.hyperparameters, shape, configuration.classes())


def _parameters(variant: Variant) -> dict[str, int]:
    return {
        network.label or name: parameter_count(network.module) for name, network in variant.networks().items()
    }


def needs_values(error: Exception) -> bool:
    """Return whether an error says that tensors on the meta device have no values, as for ``.item()``."""
    return isinstance(error, RuntimeError | TypeError) and "meta" in str(error)


def _first_step(variant: Variant, batch: Batch) -> tuple[int | None, Scalars]:
    """Return the number of operations of the first step, None if it needs values, and its scalars."""
    scalars: Scalars = {}
    with OperationCounter() as counter:
        try:
            variant.begin_step()
            # a step may repeat a phase many times
            for phase, times in Counter(variant.phases()).items():
                before = counter.total
                scalars |= phase.accumulate_gradients(batch)
                counter.total += (times - 1) * (counter.total - before)
            scalars |= variant.scalars_after_phases(batch)
            scalars |= variant.update_state(scalars)
        except (RuntimeError, TypeError) as error:
            if not needs_values(error):
                raise
            return None, scalars
    return counter.total, scalars


def empty_batch(count: int, shape: tuple[int, ...], classes: int) -> Batch:
    """Return a batch with shapes but no values, with labels if there are classes."""
    meta = torch.device("meta")
    labels = torch.zeros(count, dtype=torch.int64, device=meta) if classes else None
    return Batch(torch.zeros(count, *shape, device=meta), MetaNoise(), labels=labels)


class Operation(Protocol):
    """An ATen operation, as torch dispatches it."""

    overloadpacket: Callable[..., object]

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run the operation."""


class OperationCounter(TorchDispatchMode):
    """Sums torch's own operation counts, including those of backward and double-backward passes.

    torch's FlopCounterMode also attributes operations to modules and does not support double backward.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(  # noqa: D105
        self,
        func: Operation,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


class MetaNoise(Noise):
    """Noise with shapes but no values."""

    def __init__(self) -> None:
        super().__init__(0, 0, torch.device("meta"))

    def normal(self, purpose: str, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a tensor without values."""
        return torch.empty(shape, device=self.device)

    def integers(self, purpose: str, shape: tuple[int, ...], high: int, low: int = 0) -> torch.Tensor:
        """Return a tensor without values."""
        return torch.empty(shape, dtype=torch.int64, device=self.device)

    def categories(self, purpose: str, count: int, probabilities: torch.Tensor) -> torch.Tensor:
        """Return a tensor without values."""
        return torch.empty(count, dtype=torch.int64, device=self.device)

    def uniform(
        self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0
    ) -> torch.Tensor:
        """Return a tensor without values."""
        return torch.empty(shape, device=self.device)
