"""Bins of real samples that a generator fills too little: what is in them, real and generated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.datasets import DataArray
from bench.figures.grid import tiled, to_bytes
from bench.figures.neighbours import features_of
from bench.figures.panels import draw_panels
from bench.judging.bins import Bins, significant
from bench.judging.protocol import Extractor
from bench.judging.reference import pairing_order
from bench.runs.generator import TrainedGenerator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINNED = 5000  # real samples, at most
GENERATED = 1000
SHOWN = 8  # bins, and images of each side in a bin, at most
WIDEST = 512  # pixels of the images of one side in a row
_BATCH = 250  # samples generated at once: bounds memory


@dataclass(frozen=True)
class FilledBins:
    """Bins of real samples with the generated samples in them.

    Attributes
    ----------
    bins : Bins
        The bins.
    counts : ndarray
        int64 (K,): number of generated samples in each.
    real, generated : ndarray
        The features, float32 (N, width) and (G, width).
    """

    bins: Bins
    counts: np.ndarray
    real: np.ndarray
    generated: np.ndarray

    @property
    def deviations(self) -> np.ndarray:
        """By how many standard errors the share of samples exceeds the real one, float64 (K,)."""
        return self.bins.deviations(self.counts)

    @property
    def missing(self) -> np.ndarray:
        """Bins with a smaller share of samples than of real ones, the largest deviation first, int64 (N,)."""
        deviations = self.deviations
        order = np.argsort(deviations, kind="stable")
        missing: np.ndarray = order[deviations[order] < 0]
        return missing

    def label(self, number: int) -> str:
        """Shares of a bin, in two lines; a star marks a significant difference."""
        real = self.bins.counts[number] / self.bins.counts.sum()
        generated = self.counts[number] / self.counts.sum()
        star = " *" if significant(self.deviations)[number] else ""
        return f"real {real:.1%}\ngenerated {generated:.1%}{star}"

    @property
    def summary(self) -> str:
        """How many bins differ, in one line."""
        return f"NDB: {int(significant(self.deviations).sum())} of {len(self.counts)} bins differ"

    def nearest(self, features: np.ndarray, number: int, count: int) -> np.ndarray:
        """Rows of `features` that are in a bin, the nearest to its centre first, at most `count`."""
        inside = np.flatnonzero(self.bins.assign(features.astype(np.float64)) == number)
        apart = np.linalg.norm(features[inside] - self.bins.centres[number], axis=1)
        return inside[np.argsort(apart, kind="stable")[:count]]


def fill(real: np.ndarray, generated: np.ndarray) -> FilledBins:
    """Put real and generated samples into bins by their features, float32 (N, width) and (G, width)."""
    bins = Bins.of(real.astype(np.float64))
    return FilledBins(bins, bins.count(generated.astype(np.float64)), real, generated)


def draw_missing(
    trained: TrainedGenerator,
    array: DataArray,
    extractor: Extractor,
    cache: Path,
    title: str,
    most_features: int | None = None,
) -> Figure | None:
    """Draw images of the bins that hold too few samples, real and generated, a bin in each row.

    Parameters
    ----------
    trained : TrainedGenerator
        The generator of the samples.
    array : DataArray
        The training images.
    extractor : Extractor
        The extractor of the features that are binned.
    cache : Path
        The bench's cache folder.
    title : str
        Title of the figure.
    most_features : int, optional
        Largest number of features (images x width) to compute; no limit where not given.

    Returns
    -------
    Figure or None
        None where more features would have to be computed, or where no bin holds too few samples.
    """
    known = features_of(array, extractor, cache, most_features)
    if known is None or (most_features is not None and GENERATED * extractor.width > most_features):
        return None
    chosen = pairing_order(array.count)[:BINNED]
    latents = trained.latents(GENERATED)
    features = [extractor(_stored(trained.generate(part))).features.numpy() for part in latents.split(_BATCH)]
    filled = fill(np.array(known[chosen]), np.concatenate(features))
    columns = max(2, min(SHOWN, WIDEST // array.samples.shape[-1]))
    rows = []
    for number in filled.missing[:SHOWN]:
        of_real = filled.nearest(filled.real, number, columns)
        of_generated = filled.nearest(filled.generated, number, columns)
        real = array.samples[chosen[of_real]].transpose(0, 2, 3, 1)
        samples = (
            to_bytes(trained.generate(latents[torch.from_numpy(of_generated)])) if len(of_generated) else None
        )
        rows.append([tiled(real, columns), None if samples is None else tiled(samples, columns)])
    if not rows:
        return None
    return draw_panels(
        rows,
        f"{title}\nbins of training images with too few samples, by features of {extractor.name}",
        ["real images of the bin", "samples in the bin"],
        [filled.label(number) for number in filled.missing[:SHOWN]],
        caption=(
            f"{filled.summary}: their shares of {len(filled.generated):,} samples and of "
            f"{len(filled.real):,} real images differ significantly (*)."
        ),
    )


def _stored(images: Tensor) -> Tensor:
    """Images as files hold them, uint8 (N, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(to_bytes(images).transpose(0, 3, 1, 2)))
