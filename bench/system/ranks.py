"""The processes that train one run together, as torchrun starts them; a process alone is rank 0 of 1."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from bench.system.errors import WorkError

Call = TypeVar("Call", bound=Callable[..., Any])

# The first process may fetch and decode data for hours. A process that has ended is noticed without waiting:
# by gloo at once, on GPUs by torchrun, which ends the others.
PATIENCE = timedelta(days=1)


class RankLost(WorkError):
    """Another process of the run has ended; what it had not told is lost."""


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process is the one that speaks: rank 0, or alone."""
    return not launched() or os.environ["RANK"] == "0"


def local_rank() -> int:
    """The number of this process on its host: that of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def _noticing(call: Call) -> Call:
    """Turn torch's errors of communication into one line."""

    @wraps(call)
    def noticing(self: "Ranks", *words: Any) -> Any:
        try:
            return call(self, *words)
        except RuntimeError as error:
            from torch import distributed

            told = str(error)
            if not isinstance(error, distributed.DistError) and "gloo" not in told:
                raise
            # of gloo's words, without the place in its source and its advice
            reason = " ".join(re.sub(r"^\[\S+\] ", "", told).partition(". ")[0].split())[:200]
            raise RankLost(f"another process of this run has ended, or is out of reach: {reason}") from None

    return cast(Call, noticing)


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together.

    Every method that speaks to the others is called by all of them, in the same order. Alone, each
    gives back what it got.

    Attributes
    ----------
    rank : int
        Its number, from 0.
    count : int
        How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process records, tracks and speaks."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """The part of so many things that is this process's: consecutive ones, the shares nearly equal."""
        return range(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    @_noticing
    def add(self, values: Any) -> None:
        """Put the sum over all processes in place of a tensor's values."""
        if self.count > 1:
            from torch import distributed

            distributed.all_reduce(values)

    @_noticing
    def agree(self, wish: bool) -> bool:
        """Whether any process wishes it."""
        if self.count == 1:
            return wish
        import torch
        from torch import distributed

        # on the CPU, so that a GPU's queue is not waited for
        wishes = torch.tensor([float(wish)])
        distributed.all_reduce(wishes)
        return bool(wishes.item())

    @_noticing
    def gather(self, value: Any) -> list[Any] | None:
        """Every process's value in the order of ranks, on the first; None on the others."""
        if self.count == 1:
            return [value]
        from torch import distributed

        gathered: list[Any] | None = [None] * self.count if self.first else None
        distributed.gather_object(value, gathered)
        return gathered

    @_noticing
    def told(self, value: Any) -> Any:
        """The first process's value."""
        if self.count == 1:
            return value
        from torch import distributed

        values = [value]
        distributed.broadcast_object_list(values, device=_cpu())
        return values[0]


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes that torchrun started; alone where it did not.

    Yields
    ------
    Ranks

    Raises
    ------
    RankLost
        If the others cannot be reached.
    """
    if not launched():
        yield ALONE
        return
    import torch
    import torch.distributed.nn
    from torch import distributed

    # torch.distributed.nn, which torch imports while it trains, keeps the group of that moment in default
    # values of its functions; hence its import before there is a group. The threads of a group that is kept
    # outlive the training, and one that frees a tensor while Python ends aborts the process.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RankLost(f"the other processes of this run cannot be reached ({reason})") from None
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
