"""Buffers of a module, such as batch norm's statistics, averaged over the micro-batches of a phase."""

import torch
from torch import Tensor, nn

from bench.system.ranks import Ranks


class BufferMean:
    """Averages the changes that micro-batches make to a module's buffers.

    Every micro-batch starts from the buffers before the phase. Buffers that are not floating-point numbers,
    such as counters, keep the value that one micro-batch leaves. Buffers may be changed in place or replaced.

    Parameters
    ----------
    module : nn.Module
        Its buffers are read now.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._start = {name: buffer.clone() for name, buffer in module.named_buffers()}
        self._averaged = [name for name, buffer in self._start.items() if buffer.is_floating_point()]
        # changes are counted from zero where a buffer is not finite: a difference would be no number
        self._origins = [
            torch.nan_to_num(self._start[name], nan=0.0, posinf=0.0, neginf=0.0) for name in self._averaged
        ]
        self._changes = [torch.zeros_like(origin) for origin in self._origins]

    def add(self) -> None:
        """Add the changes of the micro-batch that has just been computed."""
        if self._averaged:
            torch._foreach_add_(self._changes, torch._foreach_sub(self._now(), self._origins))

    def restart(self) -> None:
        """Set the buffers to their values before the phase."""
        now = dict(self._module.named_buffers())
        for name, value in self._start.items():
            now[name].copy_(value)

    def finish(self, ranks: Ranks, micro_batches: int) -> None:
        """Set the buffers to their mean over all micro-batches of all ranks."""
        ranks.all_reduce_together(self._changes)
        for buffer, origin, change in zip(self._now(), self._origins, self._changes, strict=True):
            buffer.copy_(origin + change / micro_batches)

    def _now(self) -> list[Tensor]:
        """Return the averaged buffers as they are now."""
        now = dict(self._module.named_buffers())
        return [now[name] for name in self._averaged]
