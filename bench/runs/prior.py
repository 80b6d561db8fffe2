"""The prior of a variant's latents, found by watching what ``draw_latent`` draws."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from variants.base import Variant
from variants.noise import Noise

WATCHED = 32  # latents that are drawn to compare columns with draws


@dataclass(frozen=True)
class PriorPart:
    """Neighbouring columns of latents that have the same distribution.

    Attributes
    ----------
    distribution : {"normal", "uniform", "one-hot", "other"}
        N(0, 1), U[low, high), or one-hot classes; ``other`` where the columns are no draw as it stands.
    width : int
        Number of columns, at least 1.
    low, high : float
        Bounds of a uniform distribution.
    """

    distribution: Literal["normal", "uniform", "one-hot", "other"]
    width: int
    low: float = 0.0
    high: float = 0.0

    @property
    def text(self) -> str:
        """The distribution in the notation of the field, such as ``U[-1, 1)``."""
        match self.distribution:
            case "normal":
                return "N(0, 1)"
            case "uniform":
                return f"U[{self.low:g}, {self.high:g})"
            case "one-hot":
                return f"one-hot of {self.width} classes"
            case "other":
                return "the variant's own"


@dataclass(frozen=True)
class _Draw:
    part: PriorPart
    columns: Tensor


class _WatchedNoise(Noise):
    """Noise that keeps what was drawn, and from which distribution."""

    def __init__(self) -> None:
        super().__init__(0, 0, torch.device("cpu"))
        self.draws: list[_Draw] = []

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Draw from N(0, 1)."""
        drawn = super().normal(purpose, shape)
        if drawn.dim() == 2:
            self.draws.append(_Draw(PriorPart("normal", drawn.shape[1]), drawn))
        return drawn

    def uniform(self, purpose: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from U[low, high)."""
        drawn = super().uniform(purpose, shape, low, high)
        if drawn.dim() == 2:
            self.draws.append(_Draw(PriorPart("uniform", drawn.shape[1], low, high), drawn))
        return drawn

    def integers(self, purpose: str, shape: tuple[int, ...], high: int, low: int = 0) -> Tensor:
        """Draw whole numbers."""
        drawn = super().integers(purpose, shape, high, low)
        if low == 0 and drawn.dim() == 1:
            self._add_classes(drawn, high)
        return drawn

    def categories(self, purpose: str, count: int, probabilities: Tensor) -> Tensor:
        """Draw numbers with given probabilities."""
        drawn = super().categories(purpose, count, probabilities)
        self._add_classes(drawn, len(probabilities))
        return drawn

    def _add_classes(self, drawn: Tensor, count: int) -> None:
        self.draws.append(_Draw(PriorPart("one-hot", count), nn.functional.one_hot(drawn, count).float()))


def prior_of(variant: Variant) -> tuple[PriorPart, ...]:
    """Return the distributions of a variant's latents, column by column.

    A part is named only where its columns equal a draw of :class:`variants.noise.Noise`, so no declaration
    can be wrong. Columns after one that equals no draw are ``other``.
    """
    noise = _WatchedNoise()
    latents = variant.draw_latent(noise, WATCHED).cpu()
    parts: list[PriorPart] = []
    column, width = 0, latents.shape[1]
    while column < width:
        found = next((draw for draw in noise.draws if _stands_at(column, draw, latents)), None)
        if found is None:
            parts.append(PriorPart("other", width - column))
            break
        parts.append(found.part)
        column += found.part.width
    return tuple(parts)


def _stands_at(column: int, draw: _Draw, latents: Tensor) -> bool:
    there = latents[:, column : column + draw.part.width]
    return draw.part.width > 0 and there.shape == draw.columns.shape and torch.equal(there, draw.columns)


def text_of(parts: tuple[PriorPart, ...]) -> str:
    """Return a prior as text, such as ``16 columns U[-1, 1)``; several parts in the order of the columns."""
    return ", then ".join(
        part.text if part.distribution == "one-hot" else f"{part.width} columns {part.text}" for part in parts
    )
