"""One training step: gradients of every micro-batch, their mean over micro-batches and ranks, optimizers.

The micro-batches of a step are computed in turn (gradient accumulation) or spread over ranks. The result
depends only on their number: gradients, scalars and the networks' buffers are means over all micro-batches.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from bench.system.ranks import ALONE, Ranks
from bench.training.buffers import BufferMean
from bench.training.compilation import compile_networks, leave_uncompiled
from variants.base import Batch, Network, Phase, Scalars, Variant, VariantHyperparameters
from variants.modules.activation_checkpointing import CheckpointedModule
from variants.noise import Noise

Compile = Literal["none", "default", "reduce-overhead"]
OptimizerStates = Mapping[str, dict[str, Any]]
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

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor | None:
        """Return the classes of those samples, int64 (B,); None where the data set has no labels."""


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
        Whether convolutions and matrix products are computed in bfloat16; losses and scalars never are.
    channels_last : bool
        Whether images and convolutions have the channels_last (NHWC) memory format.
    fused_adam : bool
        Whether Adam updates all parameters in one kernel; other optimizers use torch's choice.
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


def make_optimizer(
    network: Network, hyperparameters: VariantHyperparameters, fused_adam: bool
) -> torch.optim.Optimizer:
    """Return the optimizer of a network's trainable parameters, at its initial learning rate."""
    parameters = network.trainable_parameters()
    rate = float(getattr(hyperparameters, network.learning_rate))
    match network.optimizer:
        case "adam":
            return torch.optim.Adam(
                parameters,
                lr=rate,
                betas=(hyperparameters.beta1, hyperparameters.beta2),
                eps=hyperparameters.adam_epsilon,
                # None lets torch choose its multi-tensor kernels; False would forbid those too
                fused=fused_adam or None,
            )
        case "rmsprop":
            return torch.optim.RMSprop(
                parameters, lr=rate, alpha=hyperparameters.beta2, eps=hyperparameters.adam_epsilon
            )
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, momentum=hyperparameters.beta1)


def moments_of(network: Network, hyperparameters: VariantHyperparameters) -> int:
    """Return how many numbers the optimizer of a network keeps for each trainable parameter."""
    return {"adam": 2, "rmsprop": 1, "sgd": 1 if hyperparameters.beta1 else 0}[network.optimizer]


class TrainingStep:
    """Runs the training steps of a variant.

    Parameters
    ----------
    variant : Variant
        Networks and losses, on `device`.
    batches : RealBatches
        Real samples.
    hyperparameters : VariantHyperparameters
        Initial learning rates, decays and epsilon of the optimizers.
    steps : int
        Length of the whole training.
    seed : int
        Seed of the run.
    device : torch.device
        Where to compute.
    options : ComputeOptions
        How to compute.

    Attributes
    ----------
    optimizers : dict
        Optimizer of each network, by the network's name.
    real_batches : int
        Real batches taken since the start of training.
    """

    def __init__(
        self,
        variant: Variant,
        batches: RealBatches,
        hyperparameters: VariantHyperparameters,
        steps: int,
        seed: int,
        device: torch.device,
        options: ComputeOptions,
    ) -> None:
        self.variant, self.batches, self.seed, self.device = variant, batches, seed, device
        self.steps = steps
        self.options = options
        if options.channels_last:
            variant.to(memory_format=torch.channels_last)
        for module in variant.modules():
            if isinstance(module, CheckpointedModule):
                module.checkpoints_activations = options.activation_checkpointing
        self.optimizers = {
            name: make_optimizer(network, hyperparameters, options.fused_adam)
            for name, network in variant.networks().items()
        }
        self.real_batches = 0
        self._own_micro_batches = options.ranks.shard(options.micro_batches)

    def run(self, step: int) -> Scalars:
        """Run one training step and return its scalars."""
        if self.options.compile == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        self._begin(step)
        micro_batches = self._micro_batches(step)
        found: list[Scalars] = []
        for phase in self.variant.phases():
            if (step - 1) % phase.every:
                continue
            for network in phase.updates:
                self.optimizers[network].zero_grad(set_to_none=True)
            found.append(self._accumulate_gradients(phase, micro_batches))
            self._average_gradients(phase.updates)
            for network in phase.updates:
                self.optimizers[network].step()
            if phase.after is not None:
                with torch.no_grad():
                    phase.after()
        scalars = mean_scalars(found)
        with self._autocast():
            scalars |= self._mean([self.variant.scalars_after_phases(batch) for batch in micro_batches])
        return scalars | self.variant.update_state(scalars)

    def _begin(self, step: int) -> None:
        """Tell the variant where training stands."""
        self.variant.step = step
        self.variant.progress = (step - 1) / max(1, self.steps - 1)
        self.variant.begin_step()

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
        options, real_batches = self.options, self.real_batches
        self.options = replace(options, ranks=ALONE)
        try:
            self._begin(1)
            micro_batches = self._micro_batches(1)
            for phase in self.variant.phases():
                self._accumulate_gradients(phase, micro_batches)
            with self._autocast():
                for batch in micro_batches:
                    self.variant.scalars_after_phases(batch)
        finally:
            self.options, self.real_batches = options, real_batches
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
                    # a fused Adam needs parameters and moments to have the same memory format; the number of
                    # steps is no moment, although it has the shape of a parameter that is one number
                    if isinstance(value, Tensor) and name != "step" and value.shape == parameter.shape:
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

    def _accumulate_gradients(self, phase: Phase, micro_batches: Sequence[Batch]) -> Scalars:
        """Add the gradients of this rank's micro-batches; return the mean scalars of all micro-batches."""
        found: list[Scalars] = []
        buffers = None if self.options.micro_batches == 1 else BufferMean(self.variant)
        with self._autocast():
            for number, batch in zip(self._own_micro_batches, micro_batches, strict=True):
                if buffers and found:
                    buffers.restart()
                if phase.new_real_batch:
                    batch.real = self._real(number)
                    batch.labels = partial(
                        self.batches.labels, self.real_batches, number, self.options.micro_batches
                    )
                found.append(phase.accumulate_gradients(batch))
                if buffers:
                    buffers.add()
        if buffers:
            buffers.finish(self.options.ranks, self.options.micro_batches)
        self.real_batches += phase.new_real_batch
        return self._mean(found)

    def _real(self, micro_batch: int) -> Tensor:
        real = self.batches.get(self.real_batches, micro_batch, self.options.micro_batches)
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

    def _average_gradients(self, networks: Sequence[str]) -> None:
        """Replace gradients with their mean over all micro-batches, in one all-reduce."""
        if self.options.micro_batches == 1:
            return
        gradients = [
            parameter.grad
            for network in networks
            for parameter in self.optimizers[network].param_groups[0]["params"]
            if parameter.grad is not None
        ]
        self.options.ranks.all_reduce_together(gradients)
        for gradient in gradients:
            gradient.div_(self.options.micro_batches)


def mean_scalars(found: Sequence[Scalars]) -> Scalars:
    """Return the mean of each scalar over the phases of a step that have the scalar."""
    alike: dict[tuple[str, ...], list[Scalars]] = {}
    for scalars in found:
        alike.setdefault(tuple(scalars), []).append(scalars)
    names = [name for group in alike for name in group]
    if len(set(names)) < len(names):
        # phases that are not alike have a scalar in common
        return {
            name: torch.stack([scalars[name] for scalars in found if name in scalars]).mean()
            for name in dict.fromkeys(names)
        }
    means: Scalars = {}
    for group, phases in alike.items():
        if len(phases) == 1:
            means |= phases[0]
        elif group:
            # a phase that is repeated, such as a critic's: all scalars at once
            values = torch.stack([value for scalars in phases for value in scalars.values()])
            means |= zip(group, values.view(len(phases), len(group)).mean(0).unbind(), strict=True)
    return means
