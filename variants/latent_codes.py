"""Codes: columns of a latent that have a meaning of their own, which grids of samples sweep."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class LatentCode:
    """A code that a variant declares, such as a category or an angle that its generator has learned.

    Attributes
    ----------
    name : str
        Name in figures, file names and options: lower-case words joined by hyphens.
    kind : {"categorical", "continuous"}
        One-hot columns, or one column with values of a range.
    column : int
        First column of the code in a latent.
    width : int
        Number of columns: that of the categories, at least 2; 1 for a continuous code.
    low, high : float
        Bounds of a continuous code.
    """

    name: str
    kind: Literal["categorical", "continuous"]
    column: int
    width: int = 1
    low: float = -1.0
    high: float = 1.0

    @property
    def columns(self) -> slice:
        """The columns of the code."""
        return slice(self.column, self.column + self.width)

    def values(self, steps: int) -> Tensor:
        """Return the values that a sweep shows, one per row, float32 (rows, width).

        All categories; of a continuous code `steps` evenly spaced values from `low` to `high`.
        """
        if self.kind == "categorical":
            return torch.eye(self.width)
        return torch.linspace(self.low, self.high, steps)[:, None]

    def replaced_in(self, latents: Tensor, value: Tensor) -> Tensor:
        """Return latents (B, latent width) with one value (width,), or values (B, width), of the code."""
        changed = latents.clone()
        changed[:, self.columns] = value.to(latents)
        return changed
