"""Random draws as pure functions of seed, purpose and step, so that any step can be repeated alone."""

import hashlib

import torch
from torch import Tensor


def derive_seed(*parts: int | str) -> int:
    """Derive an independent seed from named parts.

    Parameters
    ----------
    *parts : int or str
        Name of the random stream, such as ``(seed, "latent", step)``.

    Returns
    -------
    int
        Uniform over [0, 2**63), the same on every machine.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Noise:
    """The random draws of one training step.

    Each purpose has its own stream, seeded by (seed, purpose, step). Variants that draw for the same
    purpose therefore get the same numbers, and a resumed run needs no saved random state.

    Parameters
    ----------
    seed : int
        Seed of the run.
    step : int
        Training step.
    device : torch.device
        Device of the draws. CPU and GPU draw different numbers.
    micro_batch, micro_batches : int
        Index of the micro-batch and number of micro-batches per step. The draws of all micro-batches,
        concatenated, are the draws of the whole batch.
    """

    def __init__(
        self, seed: int, step: int, device: torch.device, micro_batch: int = 0, micro_batches: int = 1
    ) -> None:
        self.device = device
        self._seed = seed
        self._step = step
        self._index = micro_batch
        self._micro_batches = micro_batches
        self._streams: dict[str, torch.Generator] = {}

    def _stream(self, purpose: str) -> torch.Generator:
        if purpose not in self._streams:
            stream = torch.Generator(self.device)
            stream.manual_seed(derive_seed(self._seed, purpose, self._step))
            self._streams[purpose] = stream
        return self._streams[purpose]

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw float32 from N(0, 1) in a shape (B, ...)."""
        drawn = torch.randn(self._whole_batch(shape), generator=self._stream(purpose), device=self.device)
        return self._micro_batch(drawn)

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw float32 from U[low, high) in a shape (B, ...)."""
        drawn = torch.rand(self._whole_batch(shape), generator=self._stream(purpose), device=self.device)
        return self._micro_batch(drawn) * (high - low) + low

    def integers(self, purpose: str, shape: tuple[int, ...], high: int, low: int = 0) -> Tensor:
        """Draw int64 uniformly from low, ..., high - 1 in a shape (B, ...)."""
        drawn = torch.randint(
            low, high, self._whole_batch(shape), generator=self._stream(purpose), device=self.device
        )
        return self._micro_batch(drawn)

    def categories(self, purpose: str, count: int, probabilities: Tensor) -> Tensor:
        """Draw int64 (count,), the number k with a probability proportional to ``probabilities[k]``."""
        drawn = torch.multinomial(
            probabilities.to(self.device),
            count * self._micro_batches,
            replacement=True,
            generator=self._stream(purpose),
        )
        return self._micro_batch(drawn)

    def _whole_batch(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0] * self._micro_batches, *shape[1:])

    def _micro_batch(self, drawn: Tensor) -> Tensor:
        return drawn if self._micro_batches == 1 else drawn.chunk(self._micro_batches)[self._index]
