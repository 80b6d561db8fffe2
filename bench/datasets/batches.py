"""Batches of samples in an order that is a pure function of seed and epoch."""

import warnings
from typing import TYPE_CHECKING

from bench.datasets.arrays import DataArray
from bench.system.errors import RequestError

if TYPE_CHECKING:
    import torch

# Arrays of up to this many numbers are scaled once and kept as float32 (64 MiB).
MAX_SCALED_IN_ADVANCE = 2**24


class Batches:
    """Returns any training batch by its index; batches do not depend on earlier calls.

    Parameters
    ----------
    array : DataArray
        The samples. Bytes are scaled to [-1, 1], floating-point numbers are returned unchanged.
    batch_size : int
        Samples per batch.
    seed : int
        Seed of the run. The order of the samples in an epoch depends on this seed and the epoch only.
    device : torch.device
        Device of the batches. The whole array is moved there once if it fits: on a GPU, if it needs less
        than half of the free memory. A small array is kept as float32; a large one on the CPU shares the
        memory of `array`.
    drop_last : bool
        Drop the samples that do not fill a batch at the end of an epoch; otherwise they form a shorter batch.
    flip : bool
        Mirror images from left to right, each with a probability of one half. Which images of an epoch are
        mirrored depends on the seed and the epoch only.

    Attributes
    ----------
    batches_per_epoch : int
        Batches per pass over the samples.
    sizes : set of int
        Sizes of batches: `batch_size`, and the size of a shorter last batch.

    Raises
    ------
    RequestError
        If `batch_size` is below 1 or above the number of samples, or if points are to be mirrored.
    """

    def __init__(
        self,
        array: DataArray,
        *,
        batch_size: int,
        seed: int,
        device: "torch.device",
        drop_last: bool = True,
        flip: bool = False,
    ) -> None:
        import torch

        if not 1 <= batch_size <= array.count:
            allowed = f"1 to {array.count}, the number of samples in {array.name}"
            raise RequestError(f"batch_size {batch_size} is out of range: allowed is {allowed}")
        if flip and array.samples.ndim != 4:
            raise RequestError(f"flip: {array.name} holds points, which have no sides")
        self.batch_size = batch_size
        self.flip = flip
        self.seed = seed
        self.device = device
        self.count = array.count
        self.batches_per_epoch = array.count // batch_size if drop_last else -(-array.count // batch_size)
        short = 0 if drop_last else array.count % batch_size
        self.sizes = {batch_size, short} - {0}
        # a tensor on the device: CUDA would replace division by a Python number by a rounded reciprocal
        self._half = torch.tensor(127.5, device=device)
        self._samples = _move_to_device(array, device)
        if self._samples.numel() <= MAX_SCALED_IN_ADVANCE and self._samples.device.type == device.type:
            self._samples = self._scaled(self._samples)
        self._labels = None if array.labels is None else torch.tensor(array.labels)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)
        self._mirrored = torch.empty(0, dtype=torch.bool)

    def indices(self, index: int) -> "torch.Tensor":
        """Return the positions of a batch's samples in the array.

        Parameters
        ----------
        index : int
            Batches since the start of training, from 0, counted on over the epochs.

        Returns
        -------
        torch.Tensor
            int64 of shape (batch,), on the CPU.

        Raises
        ------
        ValueError
            If `index` is negative.
        """
        places = self._places(index)
        return self._order[places]

    def _places(self, index: int) -> slice:
        """Return the places of a batch in the order of its epoch, which is drawn if it was another before."""
        if index < 0:
            raise ValueError(f"batch index {index} is negative")
        epoch, position = divmod(index, self.batches_per_epoch)
        if epoch != self._epoch:
            self._order = _order(self.count, self.seed, epoch)
            if self.flip:
                self._mirrored = _mirrored(self.count, self.seed, epoch)
            self._epoch = epoch
        return slice(position * self.batch_size, (position + 1) * self.batch_size)

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> "torch.Tensor":
        """Return a batch of samples, or one micro-batch of it.

        Parameters
        ----------
        index : int
            As for `indices`.
        micro_batch, micro_batches : int
            Index of the micro-batch, in the order of the batch, and number of equal micro-batches.

        Returns
        -------
        torch.Tensor
            float32 of shape (batch, *sample shape) in [-1, 1], on the device.
        """
        rows = self.indices(index).chunk(micro_batches)[micro_batch].to(self._samples.device)
        samples = self._scaled(self._samples.index_select(0, rows).to(self.device))
        if not self.flip:
            return samples
        mirrored = self._mirrored[self._places(index)].chunk(micro_batches)[micro_batch].to(self.device)
        return samples.where(~mirrored[:, None, None, None], samples.flip(-1))

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> "torch.Tensor | None":
        """Return the classes of a batch's samples, or of those of one micro-batch.

        The parameters are those of `get`.

        Returns
        -------
        torch.Tensor or None
            int64 of shape (batch,), on the device; None for a data set without labels.
        """
        if self._labels is None:
            return None
        rows = self.indices(index).chunk(micro_batches)[micro_batch]
        return self._labels.index_select(0, rows).to(self.device)

    def _scaled(self, samples: "torch.Tensor") -> "torch.Tensor":
        """Return bytes as float32 in [-1, 1], and floating-point numbers unchanged."""
        if samples.is_floating_point():
            return samples
        return samples.float().div_(self._half).sub_(1.0)


def _order(count: int, seed: int, epoch: int) -> "torch.Tensor":
    """Return the shuffled positions of the samples in an epoch; on the CPU, to be equal on all devices."""
    import torch

    from variants.noise import derive_seed

    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    return torch.randperm(count, generator=generator)


def _mirrored(count: int, seed: int, epoch: int) -> "torch.Tensor":
    """Return which images are mirrored, by their place in the order of an epoch; on the CPU, as `_order`."""
    import torch

    from variants.noise import derive_seed

    generator = torch.Generator().manual_seed(derive_seed(seed, "flip", epoch))
    return torch.randint(2, (count,), generator=generator, dtype=torch.uint8).bool()


def _move_to_device(array: DataArray, device: "torch.device") -> "torch.Tensor":
    """Return the samples as a tensor, on the device if they fit there, else on the CPU."""
    import torch

    with warnings.catch_warnings():
        # torch warns that the array is read-only; nothing here writes to it.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        samples = torch.from_numpy(array.samples)
    if device.type == "cuda" and 2 * array.samples.nbytes < torch.cuda.mem_get_info(device)[0]:
        return samples.to(device)
    return samples
