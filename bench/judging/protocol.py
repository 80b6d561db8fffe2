"""The parts of a judge that others can provide: an extractor, and its results for a batch of samples."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from torch import Tensor

# What an extractor gives of samples, and a metric may need: features of any kind, pixels of images with a
# network's features of them, predicted classes, known modes, and which samples lie well on their mode.
Evidence = Literal["features", "images", "classes", "modes", "quality"]
Better = Literal["lower", "higher"]


class Seen(NamedTuple):
    """What an extractor sees of N samples, on the CPU.

    Attributes
    ----------
    features : Tensor
        float32 (N, width).
    probabilities : Tensor or None
        Of classes, float32 (N, K), rows summing to 1; None where it predicts none.
    modes : Tensor or None
        The known mode that each is of, int64 (N,); None where none are known.
    on_mode : Tensor or None
        Which samples lie well on their mode, bool (N,); None where there is no such rule.
    """

    features: Tensor
    probabilities: Tensor | None = None
    modes: Tensor | None = None
    on_mode: Tensor | None = None


class Extractor(Protocol):
    """What looks at samples: features that are compared, and classes or modes.

    Attributes
    ----------
    name : str
        Such as `digits-garments` or `inception-2015-12-05`.
    metric : str
        Name of the Fréchet distance on these features: `fid` or `fd_NAME`.
    hash : str
        sha256 of the weights file, hexadecimal.
    width : int
        Number of features.
    preprocessing : str
        How a sample reaches the network, in words for the protocol.
    gives : frozenset of str
        What metrics can be computed from: see :data:`bench.judging.protocol.Evidence`.
    mode_count : int
        Number of known modes; 0 where none are known.
    """

    name: str
    metric: str
    hash: str
    width: int
    preprocessing: str
    gives: frozenset[Evidence]
    mode_count: int

    def __call__(self, samples: Tensor, /) -> Seen:
        """Look at samples as they are stored: uint8 images (N, C, H, W), or float32 points (N, D)."""
        ...
