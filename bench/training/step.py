"""One training step: gradients of every micro-batch, their mean over micro-batches and ranks, Adam.

The micro-batches of a step are computed in turn (gradient accumulation) or spread over ranks. The result
depends only on their number: gradients, scalars and batch norm's running statistics are means over all
micro-batches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from bench.system.ranks import ALONE, Ranks
from bench.training.compilation import compile_networks, leave_uncompiled
from variants.base import Batch, NetworkName, Phase, Scalars, Variant, VariantHyperparameters
from variants.modules.activation_checkpointing import CheckpointedModule
from variants.modules.batch_normalisation import batch_norms
from variants.noise import Noise

Compile = Literal["none", "default", "reduce-overhead"]
OptimizerStates = Mapping[NetworkName, dict[str, Any]]
"""torch's optimizer state of each network, by the network's name."""


class RealBatches(Protocol):
    """Source of real samples.

    Attributes
    ----------
    batch_size : int
        Samples per batch.
    """

    batch_size: int

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        """Return one of the equal micro-batches of a batch, float32 in [-1, 1].

        `index` counts batches from the start of training.
        """


@dataclass(frozen=True)
class ComputeOptions:
    """Options of how a step is computed; they do not change its equations.

    Attributes
    ----------
    micro_batches : int
        Number of micro-batches per step; a multiple of the number of ranks that divides the batch.
    ranks : Ranks
        The processes that share the micro-batches.
    bfloat16 : bool
        Whether convolutions and matrix products are computed in bfloat16; losses, k and M never are.
    channels_last : bool
        Whether images and convolutions have the channels_last (NHWC) memory format.
    fused_adam : bool
        Whether Adam updates all parameters in one kernel.
    compile : {"none", "default", "reduce-overhead"}
        torch.compile's mode for the networks.
    activation_checkpointing : bool
        Whether activations are recomputed in the backward pass instead of being kept.
    """

    micro_batches: int = 1
    ranks: Ranks = ALONE
    bfloat16: bool = False
    channels_last: bool = False
    fused_adam: bool = False
    compile: Compile = "none"
    activation_checkpointing: bool = False


def real_batches_per_step(variant: Variant) -> int:
    """Return how many new real batches the phases of one training step consume."""
    return sum(phase.new_real_batch for phase in variant.phases())


class TrainingStep:
    """Runs the training steps of a variant.

    Parameters
    ----------
    variant : Variant
        Networks and losses, on `device`.
    batches : RealBatches
        Real samples.
    hyperparameters : VariantHyperparameters
        Adam's initial learning rates, decays and epsilon.
    seed : int
        Seed of the run.
    device : torch.device
        Where to compute.
    options : ComputeOptions
        How to compute.

    Attributes
    ----------
    learning_rates : dict
        Initial learning rate of each network, by its name.
    optimizers : dict
        Adam of each network, by its name.
    real_batches_per_step : int
        Real batches that a step uses.
    """

    def __init__(
        self,
        variant: Variant,
        batches: RealBatches,
        hyperparameters: VariantHyperparameters,
        seed: int,
        device: torch.device,
        options: ComputeOptions,
    ) -> None:
        self.variant, self.batches, self.seed, self.device = variant, batches, seed, device
        self.options = options
        if options.channels_last:
            variant.to(memory_format=torch.channels_last)
        for module in variant.modules():
            if isinstance(module, CheckpointedModule):
                module.checkpoints_activations = options.activation_checkpointing
        self.learning_rates: dict[NetworkName, float] = {
            "generator": hyperparameters.lr_g,
            "discriminator": hyperparameters.lr_d,
        }
        self.optimizers: dict[NetworkName, torch.optim.Adam] = {
            network: torch.optim.Adam(
                variant.trainable_parameters(network),
                lr=rate,
                betas=(hyperparameters.beta1, hyperparameters.beta2),
                eps=hyperparameters.adam_epsilon,
                # None lets torch choose its multi-tensor kernels; False would forbid those too
                fused=options.fused_adam or None,
            )
            for network, rate in self.learning_rates.items()
        }
        self.real_batches_per_step = real_batches_per_step(variant)
        self._own_micro_batches = options.ranks.shard(options.micro_batches)
        self._statistics = [
            statistic
            for layer in batch_norms(variant)
            for statistic in (layer.running_mean, layer.running_var)
            if statistic is not None
        ]

    def run(self, step: int) -> Scalars:
        """Run one training step and return its scalars."""
        if self.options.compile == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        micro_batches = self._micro_batches(step)
        index = (step - 1) * self.real_batches_per_step
        scalars: Scalars = {}
        for phase in self.variant.phases():
            for network in phase.updates:
                self.optimizers[network].zero_grad(set_to_none=True)
            scalars |= self._accumulate_gradients(phase, micro_batches, index)
            index += phase.new_real_batch
            self._average_gradients(phase.updates)
            for network in phase.updates:
                self.optimizers[network].step()
        with self._autocast():
            scalars |= self._mean([self.variant.scalars_after_phases(batch) for batch in micro_batches])
        return scalars | self.variant.update_state(scalars)

    def compile_networks(self, mode: Compile) -> str | None:
        """Compile the networks; return the reason, in one line, if that fails on any rank."""
        problem = compile_networks(self.variant, mode, self._rehearse)
        if self.options.ranks.any_rank(problem is not None):
            leave_uncompiled(self.variant)
            return problem or "compilation failed on another rank"
        return None

    def _rehearse(self) -> None:
        """Compute the gradients of the first step on this rank alone, then restore everything."""
        kept = {name: value.clone() for name, value in self.variant.state_dict().items()}
        options = self.options
        self.options = replace(options, ranks=ALONE)
        try:
            micro_batches = self._micro_batches(1)
            for phase in self.variant.phases():
                self._accumulate_gradients(phase, micro_batches, 0)
            with self._autocast():
                for batch in micro_batches:
                    self.variant.scalars_after_phases(batch)
        finally:
            self.options = options
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            self.variant.load_state_dict(kept)

    def state(self) -> OptimizerStates:
        """Return the states of the optimizers."""
        return {network: optimizer.state_dict() for network, optimizer in self.optimizers.items()}

    def restore(self, states: OptimizerStates) -> None:
        """Restore saved states of the optimizers."""
        for network, optimizer in self.optimizers.items():
            optimizer.load_state_dict(states[network])
            for parameter, state in optimizer.state.items():
                for name, value in state.items():
                    # a fused Adam needs parameters and moments to have the same memory format
                    if value.shape == parameter.shape:
                        state[name] = torch.empty_like(parameter).copy_(value)

    def _micro_batches(self, step: int) -> list[Batch]:
        count = self.options.micro_batches
        placeholder = torch.empty(0)
        return [
            Batch(
                placeholder, Noise(self.seed, step, self.device, number, count), may_cache_graphs=count == 1
            )
            for number in self._own_micro_batches
        ]

    def _accumulate_gradients(self, phase: Phase, micro_batches: Sequence[Batch], index: int) -> Scalars:
        """Add the gradients of this rank's micro-batches; return the mean scalars of all micro-batches."""
        found = []
        with self._averaged_statistics() as before_each, self._autocast():
            for number, batch in zip(self._own_micro_batches, micro_batches, strict=True):
                before_each()
                if phase.new_real_batch:
                    batch.real = self._real(index, number)
                found.append(phase.accumulate_gradients(batch))
        return self._mean(found)

    def _real(self, index: int, micro_batch: int) -> Tensor:
        real = self.batches.get(index, micro_batch, self.options.micro_batches)
        if self.options.channels_last and real.dim() == 4:
            return real.contiguous(memory_format=torch.channels_last)
        return real

    def _autocast(self) -> AbstractContextManager[object]:
        if not self.options.bfloat16:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _mean(self, found: Sequence[Scalars]) -> Scalars:
        """Return the mean of each scalar over all micro-batches of all ranks."""
        if self.options.micro_batches == 1 or not found[0]:
            return found[0]
        values = torch.stack([torch.stack(list(scalars.values())) for scalars in found]).sum(0)
        self.options.ranks.all_reduce(values)
        return dict(zip(found[0], values / self.options.micro_batches, strict=True))

    def _average_gradients(self, networks: Sequence[NetworkName]) -> None:
        """Replace gradients with their mean over all micro-batches, in one all-reduce."""
        if self.options.micro_batches == 1:
            return
        gradients = [
            parameter.grad
            for network in networks
            for parameter in self.variant.trainable_parameters(network)
            if parameter.grad is not None
        ]
        if self.options.ranks.count > 1:
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            self.options.ranks.all_reduce(flat)
            sizes = [gradient.numel() for gradient in gradients]
            for gradient, values in zip(gradients, flat.split(sizes), strict=True):
                gradient.copy_(values.view_as(gradient))
        for gradient in gradients:
            gradient.div_(self.options.micro_batches)

    @contextmanager
    def _averaged_statistics(self) -> Iterator[Callable[[], None]]:
        """Average the updates that the micro-batches make to batch norm's running statistics.

        Every micro-batch starts from the statistics before the phase.

        Yields
        ------
        callable
            To be called before each micro-batch.
        """
        if self.options.micro_batches == 1 or not self._statistics:
            yield lambda: None
            return
        start = torch.cat(self._statistics)
        update = torch.zeros_like(start)
        begun = False

        def before_each() -> None:
            nonlocal begun
            if begun:
                update.add_(torch.cat(self._statistics) - start)
            begun = True
            self._set_statistics(start)

        yield before_each
        before_each()
        self.options.ranks.all_reduce(update)
        self._set_statistics(start + update / self.options.micro_batches)

    def _set_statistics(self, statistics: Tensor) -> None:
        sizes = [statistic.numel() for statistic in self._statistics]
        for statistic, values in zip(self._statistics, statistics.split(sizes), strict=True):
            statistic.copy_(values)
