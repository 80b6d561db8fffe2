"""Batches of samples in an order that is a pure function of seed and epoch."""

import warnings
from typing import TYPE_CHECKING

from bench.datasets.arrays import DataArray
from bench.system.errors import RequestError

if TYPE_CHECKING:
    import torch


SCALED_ONCE = 2**24  # numbers up to which the array is scaled once, and kept as float32: 64 MiB


class Batches:
    """Gives any batch of training by its index, with no state carried from one to the next.

    Parameters
    ----------
    array : DataArray
        The samples; bytes are scaled to [-1, 1], numbers are handed out as they are.
    batch_size : int
        Samples in a batch.
    seed : int
        The run's seed; each epoch's order follows from it and the epoch's number.
    device : torch.device
        Where batches are wanted. The whole array is moved there once if it fits: on a GPU, if it needs less
        than half of the free memory. A small one is kept as float32; else the CPU shares its own memory.
    drop_last : bool
        Leave out the samples that do not fill a batch at an epoch's end; else they come as a shorter one.

    Attributes
    ----------
    batches_per_epoch : int
        Batches in one pass over the samples.
    sizes : set of int
        How many samples they have: `batch_size`, and of a short last one fewer.

    Raises
    ------
    RequestError
        If `batch_size` is below 1 or above the number of samples.
    """

    def __init__(
        self, array: DataArray, *, batch_size: int, seed: int, device: "torch.device", drop_last: bool = True
    ) -> None:
        import torch

        if not 1 <= batch_size <= array.count:
            allowed = f"1 to {array.count}, the number of samples in {array.name}"
            raise RequestError(f"batch_size {batch_size} is out of range: allowed is {allowed}")
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        self.count = array.count
        self.batches_per_epoch = array.count // batch_size if drop_last else -(-array.count // batch_size)
        short = 0 if drop_last else array.count % batch_size
        self.sizes = {batch_size, short} - {0}
        # As a tensor on the device: CUDA multiplies by the rounded reciprocal of a plain number instead.
        self._half = torch.tensor(127.5, device=device)
        self._samples = _place(array, device)
        if self._samples.numel() <= SCALED_ONCE and self._samples.device.type == device.type:
            self._samples = self._scaled(self._samples)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def indices(self, index: int) -> "torch.Tensor":
        """Give the places in the array of a batch's images.

        Parameters
        ----------
        index : int
            Batches since the start of training, from 0; beyond the first epoch it goes on counting.

        Returns
        -------
        torch.Tensor
            int64 of shape (batch,), on the CPU.

        Raises
        ------
        ValueError
            If `index` is negative.
        """
        if index < 0:
            raise ValueError(f"batch index {index} is negative")
        epoch, place = divmod(index, self.batches_per_epoch)
        if epoch != self._epoch:
            self._order = _order(self.count, self.seed, epoch)
            self._epoch = epoch
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> "torch.Tensor":
        """Return a batch of samples, or one of its equal micro-batches.

        Parameters
        ----------
        index : int
            As for `indices`.
        micro_batch, micro_batches : int
            Index of the micro-batch, in the order of the batch, and number of micro-batches.

        Returns
        -------
        torch.Tensor
            float32 of shape (batch, *sample shape) in [-1, 1], on the device.
        """
        rows = self.indices(index).chunk(micro_batches)[micro_batch].to(self._samples.device)
        return self._scaled(self._samples.index_select(0, rows).to(self.device))

    def _scaled(self, samples: "torch.Tensor") -> "torch.Tensor":
        """Bytes as float32 in [-1, 1]; numbers as they are."""
        if samples.is_floating_point():
            return samples
        return samples.float().div_(self._half).sub_(1.0)


def _order(count: int, seed: int, epoch: int) -> "torch.Tensor":
    """Shuffle the samples for one epoch, on the CPU so that it is the same whatever the device."""
    import torch

    from variants.noise import derive_seed

    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    return torch.randperm(count, generator=generator)


def _place(array: DataArray, device: "torch.device") -> "torch.Tensor":
    """Put the array on the device if they fit; else leave them, and batches are gathered from there."""
    import torch

    with warnings.catch_warnings():
        # The array is read-only and torch warns of writing to it; nothing here does.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        samples = torch.from_numpy(array.samples)
    if device.type == "cuda" and 2 * array.samples.nbytes < torch.cuda.mem_get_info(device)[0]:
        return samples.to(device)
    return samples
