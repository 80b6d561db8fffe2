"""Processes that train one run together, as torchrun starts them; a process alone is rank 0 of 1."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from bench.system.errors import WorkError

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

# Rank 0 may fetch and decode data for hours. This timeout does not delay the report of a dead process: gloo
# reports it at once, and on GPUs torchrun ends the other processes.
TIMEOUT = timedelta(days=1)


class RankLost(WorkError):
    """Another process of the run has ended; results that it had not sent are lost."""


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process prints and writes results: rank 0, or a process alone."""
    return not launched() or os.environ["RANK"] == "0"


def local_rank() -> int:
    """Rank of this process on its host, which is also the index of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def _raising_rank_lost(
    method: Callable[Concatenate["Ranks", Arguments], Result],
) -> Callable[Concatenate["Ranks", Arguments], Result]:
    """Decorator: turn torch's communication errors into RankLost with a message of one line."""

    @wraps(method)
    def wrapped(self: "Ranks", *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return method(self, *args, **kwargs)
        except RuntimeError as error:
            from torch import distributed

            message = str(error)
            if not isinstance(error, distributed.DistError) and "gloo" not in message:
                raise
            # gloo's message begins with a position in its source and ends with advice: both are cut
            reason = " ".join(re.sub(r"^\[\S+\] ", "", message).partition(". ")[0].split())[:200]
            raise RankLost(f"another process of this run has ended, or is out of reach: {reason}") from None

    return wrapped


@dataclass(frozen=True)
class Ranks:
    """The rank of this process and the collective operations of the process group.

    All processes must call collective operations in the same order. In a process alone, every operation
    returns its argument.

    Attributes
    ----------
    rank : int
        Rank of this process, from 0.
    count : int
        Number of processes (the world size).
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes the record, tracks and prints."""
        return self.rank == 0

    def shard(self, count: int) -> range:
        """Indices, out of `count`, that this process works on: consecutive, shards of nearly equal size."""
        return range(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    @_raising_rank_lost
    def all_reduce(self, values: "torch.Tensor") -> None:
        """Replace a tensor's values with their sum over all ranks, in place."""
        if self.count > 1:
            from torch import distributed

            distributed.all_reduce(values)

    def all_reduce_together(self, tensors: "Sequence[torch.Tensor]") -> None:
        """Replace the values of several tensors with their sums over all ranks, in one operation."""
        if self.count == 1 or not tensors:
            return
        import torch

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self.all_reduce(flat)
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, values in zip(tensors, flat.split(sizes), strict=True):
            tensor.copy_(values.view_as(tensor))

    @_raising_rank_lost
    def any_rank(self, flag: bool) -> bool:
        """Logical OR of a flag over all ranks."""
        if self.count == 1:
            return flag
        import torch
        from torch import distributed

        # a CPU tensor, so that the GPU need not be synchronised
        flags = torch.tensor([float(flag)])
        distributed.all_reduce(flags)
        return bool(flags.item())

    @_raising_rank_lost
    def gather(self, value: Value) -> list[Value] | None:
        """Values of all ranks in order, on rank 0; None on the other ranks."""
        if self.count == 1:
            return [value]
        from torch import distributed

        gathered = [value] * self.count if self.first else None
        distributed.gather_object(value, gathered)
        return gathered

    @_raising_rank_lost
    def broadcast(self, value: Value) -> Value:
        """Rank 0's value, on every rank."""
        if self.count == 1:
            return value
        import torch
        from torch import distributed

        values = [value]
        distributed.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the process group of the processes that torchrun started; a process alone needs none.

    Yields
    ------
    Ranks

    Raises
    ------
    RankLost
        If the other processes cannot be reached.
    """
    if not launched():
        yield ALONE
        return
    import torch
    import torch.distributed.nn
    from torch import distributed

    # torch imports torch.distributed.nn while it trains, and that module keeps the current process group as a
    # default argument of its functions. The module is therefore imported before there is a group: otherwise
    # the group's threads would outlive the training, and a thread that frees a tensor while Python exits
    # aborts the process.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RankLost(f"the other processes of this run cannot be reached ({reason})") from None
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
