"""The types that extractors and metrics share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

# What a metric can require of an extractor: features of any samples, images with a network's features of
# them, predicted classes, known modes, and a rule for which samples lie well on their mode. Labels come from
# the sampler: classes that samples were asked for, and that the extractor tells apart. Held-out samples are
# real ones outside the training data; `bench judge` and `bench eval` have them, evaluations of runs do not.
Requirement = Literal["features", "images", "classes", "modes", "quality", "labels", "held-out"]
Better = Literal["lower", "higher"]


class Extraction(NamedTuple):
    """Result of an extractor for N samples, on the CPU.

    Attributes
    ----------
    features : Tensor
        float32 (N, width).
    probabilities : Tensor or None
        Class probabilities, float32 (N, K), rows summing to 1; None for an extractor without classes.
    modes : Tensor or None
        Index of each sample's known mode, int64 (N,); None where no modes are known.
    on_mode : Tensor or None
        Whether each sample lies well on its mode, bool (N,); None where the data has no such rule.
    """

    features: Tensor
    probabilities: Tensor | None = None
    modes: Tensor | None = None
    on_mode: Tensor | None = None


class Extractor(Protocol):
    """Maps samples to the features that metrics compare, and to classes or modes.

    Attributes
    ----------
    name : str
        Such as `digits-garments` or `inception-2015-12-05`.
    metric : str
        Name of the Fréchet distance between these features: `fid` or `fd_NAME`.
    hash : str
        sha256 of the weights file, hexadecimal.
    width : int
        Number of features.
    preprocessing : str
        How a sample is prepared for the network, for the protocol.
    provides : frozenset of str
        The requirements of metrics that this extractor meets.
    mode_count : int
        Number of known modes; 0 where none are known.
    trained_on : tuple of str
        What the images showed that the network was trained on, in words of the data sets' ``content``; empty
        for features of a formula, which hold for all samples alike.

    Notes
    -----
    An extractor may also have `class_names`, a tuple of the names of its modes or, without modes, of the
    classes of its probabilities, by number. Labelled samples are then compared with the classes found.
    """

    name: str
    metric: str
    hash: str
    width: int
    preprocessing: str
    provides: frozenset[Requirement]
    mode_count: int
    trained_on: tuple[str, ...]

    def __call__(self, samples: Tensor, /) -> Extraction:
        """Extract from samples as files hold them: uint8 images (N, C, H, W), or float32 points (N, D)."""
        ...


def knows(extractor: Extractor, content: str) -> bool:
    """Whether samples that show `content` are like those that an extractor's network was trained on.

    False also for samples of unknown content, for which `content` is empty. True for features of a formula.
    """
    return not extractor.trained_on or content in extractor.trained_on


def class_names_of(extractor: Extractor) -> tuple[str, ...]:
    """Return the names of the classes that an extractor tells apart; empty if it names none."""
    names: tuple[str, ...] = getattr(extractor, "class_names", ())
    return names
