"""One training step: the gradients of every part of a batch, their mean over parts and ranks, Adam.

A batch may be passed in parts, one after another in one process (gradient accumulation) or spread over
the ranks of several. The result depends on the number of parts alone: gradients, scalars and batch
norm's running statistics are means over all parts.
"""

from collections.abc import Iterator, Sequence
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


class RealBatches(Protocol):
    """Where real samples come from.

    Attributes
    ----------
    batch_size : int
        Samples in a batch.
    """

    batch_size: int

    def get(self, index: int, part: int = 0, parts: int = 1) -> Tensor:
        """One of equal parts of the batch of that index since the start of training, float32 in [-1, 1]."""


@dataclass(frozen=True)
class Computing:
    """How a step is computed; its equations are the variant's.

    Attributes
    ----------
    parts : int
        Parts that a batch is passed in; a multiple of the number of ranks that divides the batch.
    ranks : Ranks
        The processes that the parts are spread over.
    bfloat16 : bool
        Whether convolutions and matrix products are computed in bfloat16; losses, k and M never are.
    channels_last : bool
        Whether images and convolutions lie in memory channel by channel within a pixel.
    fused_adam : bool
        Whether Adam takes one kernel for all of it.
    compile : {"none", "default", "reduce-overhead"}
        torch.compile's mode for the networks.
    activation_checkpointing : bool
        Whether activations are computed again for the gradient instead of being kept.
    """

    parts: int = 1
    ranks: Ranks = ALONE
    bfloat16: bool = False
    channels_last: bool = False
    fused_adam: bool = False
    compile: Compile = "none"
    activation_checkpointing: bool = False


class TrainingStep:
    """Takes a variant's training steps.

    Parameters
    ----------
    variant : Variant
        Networks and losses, on `device`.
    batches : RealBatches
        Real samples.
    hyperparameters : VariantHyperparameters
        Adam's knobs: learning rates at the start, decays and epsilon.
    seed : int
        The run's.
    device : torch.device
        Where to compute.
    computing : Computing
        How to compute.

    Attributes
    ----------
    learning_rates : dict
        Adam's at the start for each network, by its name.
    optimizers : dict
        Adam for each network, by its name.
    reals : int
        Real batches that a step takes.
    """

    def __init__(
        self,
        variant: Variant,
        batches: RealBatches,
        hyperparameters: VariantHyperparameters,
        seed: int,
        device: torch.device,
        computing: Computing,
    ) -> None:
        self.variant, self.batches, self.seed, self.device = variant, batches, seed, device
        self.computing = computing
        if computing.channels_last:
            variant.to(memory_format=torch.channels_last)
        for module in variant.modules():
            if isinstance(module, CheckpointedModule):
                module.checkpoints_activations = computing.activation_checkpointing
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
                # not False, which would also switch off what torch takes where it is not told
                fused=computing.fused_adam or None,
            )
            for network, rate in self.learning_rates.items()
        }
        self.reals = sum(phase.new_real_batch for phase in variant.phases())
        self._own_parts = computing.ranks.shard(computing.parts)
        self._statistics = [
            statistic
            for layer in batch_norms(variant)
            for statistic in (layer.running_mean, layer.running_var)
            if statistic is not None
        ]

    def take(self, step: int) -> Scalars:
        """Move the networks and what the variant keeps between steps, by one step; the scalars of it."""
        if self.computing.compile == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        parts = self._parts(step)
        taken = (step - 1) * self.reals
        scalars: Scalars = {}
        for phase in self.variant.phases():
            for network in phase.updates:
                self.optimizers[network].zero_grad(set_to_none=True)
            scalars |= self._accumulate(phase, parts, taken)
            taken += phase.new_real_batch
            self._join_gradients(phase.updates)
            for network in phase.updates:
                self.optimizers[network].step()
        with self._precision():
            scalars |= self._mean([self.variant.scalars_after_phases(part) for part in parts])
        return scalars | self.variant.update_state(scalars)

    def compile_networks(self, mode: Compile) -> str | None:
        """Compile the networks; returns why not, in one line, where that cannot be done on every rank."""
        problem = compile_networks(self.variant, mode, self._rehearse)
        if self.computing.ranks.any_rank(problem is not None):
            leave_uncompiled(self.variant)
            return problem or "another process could not"
        return None

    def _rehearse(self) -> None:
        """Compute what a first step does but move nothing, without the other ranks; all is left as it was."""
        kept = {name: value.clone() for name, value in self.variant.state_dict().items()}
        together = self.computing
        self.computing = replace(together, ranks=ALONE)
        try:
            parts = self._parts(1)
            for phase in self.variant.phases():
                self._accumulate(phase, parts, 0)
            with self._precision():
                for part in parts:
                    self.variant.scalars_after_phases(part)
        finally:
            self.computing = together
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            self.variant.load_state_dict(kept)

    def state(self) -> dict[str, Any]:
        """What the optimizers keep between steps."""
        return {network: optimizer.state_dict() for network, optimizer in self.optimizers.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Let the optimizers stand where a state was taken."""
        for network, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[network])
            for parameter, kept in optimizer.state.items():
                for name, value in kept.items():
                    # a fused Adam walks through parameters and moments alike, as they lie in memory
                    if value.shape == parameter.shape:
                        kept[name] = torch.empty_like(parameter).copy_(value)

    def _parts(self, step: int) -> list[Batch]:
        count = self.computing.parts
        nothing = torch.empty(0)
        return [
            Batch(nothing, Noise(self.seed, step, self.device, part, count), may_cache_graphs=count == 1)
            for part in self._own_parts
        ]

    def _accumulate(self, phase: Phase, parts: Sequence[Batch], index: int) -> Scalars:
        """Add the gradients of this process's parts; the mean of all parts' scalars."""
        found = []
        with self._averaged_statistics() as before_each, self._precision():
            for part, batch in zip(self._own_parts, parts, strict=True):
                before_each()
                if phase.new_real_batch:
                    batch.real = self._real(index, part)
                found.append(phase.accumulate_gradients(batch))
        return self._mean(found)

    def _real(self, index: int, part: int) -> Tensor:
        real = self.batches.get(index, part, self.computing.parts)
        if self.computing.channels_last and real.dim() == 4:
            return real.contiguous(memory_format=torch.channels_last)
        return real

    def _precision(self) -> AbstractContextManager[Any]:
        if not self.computing.bfloat16:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _mean(self, found: Sequence[Scalars]) -> Scalars:
        """Mean over all parts of each scalar."""
        if self.computing.parts == 1 or not found[0]:
            return found[0]
        values = torch.stack([torch.stack(list(scalars.values())) for scalars in found]).sum(0)
        self.computing.ranks.all_reduce(values)
        return dict(zip(found[0], values / self.computing.parts, strict=True))

    def _join_gradients(self, networks: Sequence[NetworkName]) -> None:
        """Put the mean over all parts in place of gradients, in one message between the ranks."""
        if self.computing.parts == 1:
            return
        gradients = [
            parameter.grad
            for network in networks
            for parameter in self.variant.trainable_parameters(network)
            if parameter.grad is not None
        ]
        if self.computing.ranks.count > 1:
            message = torch.cat([gradient.reshape(-1) for gradient in gradients])
            self.computing.ranks.all_reduce(message)
            shapes = [gradient.numel() for gradient in gradients]
            for gradient, values in zip(gradients, message.split(shapes), strict=True):
                gradient.copy_(values.view_as(gradient))
        for gradient in gradients:
            gradient.div_(self.computing.parts)

    @contextmanager
    def _averaged_statistics(self) -> Iterator[Any]:
        """Let each part move batch norm's running statistics from where they stood; keep the mean move.

        Yields
        ------
        callable
            To be called before each part.
        """
        if self.computing.parts == 1 or not self._statistics:
            yield lambda: None
            return
        start = torch.cat(self._statistics)
        moved = torch.zeros_like(start)
        begun = False

        def before_each() -> None:
            nonlocal begun
            if begun:
                moved.add_(torch.cat(self._statistics) - start)
            begun = True
            self._stand_at(start)

        yield before_each
        before_each()
        self.computing.ranks.all_reduce(moved)
        self._stand_at(start + moved / self.computing.parts)

    def _stand_at(self, statistics: Tensor) -> None:
        sizes = [statistic.numel() for statistic in self._statistics]
        for statistic, values in zip(self._statistics, statistics.split(sizes), strict=True):
            statistic.copy_(values)
