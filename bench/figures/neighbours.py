"""The training images nearest to samples, by pixels and by features, to see whether a generator memorises.

The distances are compared with a baseline: the distances of training images to their own nearest neighbours.
Samples that are much nearer to a training image are copies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.datasets import DataArray
from bench.figures.grid import tiled, to_bytes
from bench.figures.panels import draw_panels
from bench.judging.protocol import Extractor
from bench.system.atomic_files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHUNK = 2000  # training images compared at once: bounds memory
SPARE = 5  # further candidates whose exact distance is computed
BASELINE = 100  # training images, evenly spread, whose own nearest neighbours are searched
# captions where there are no neighbours by features
NOT_AT_HAND = "Features of the training images were not at hand: `bench plot` computes them."
NO_JUDGE = "Nothing is compared by features: the run has no judge."


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of some samples.

    Attributes
    ----------
    indices : Tensor
        int64 (samples, count): indices of training images, nearest first.
    distances : Tensor
        float32 (samples, count): Euclidean, of pixels in [-1, 1] or of features.
    among_real : float
        Median distance of training images to their nearest other one.
    """

    indices: Tensor
    distances: Tensor
    among_real: float


def nearest_by_pixels(samples: Tensor, images: np.ndarray, count: int = 3) -> Neighbours:
    """Find the training images at the least Euclidean distance over all pixels.

    Parameters
    ----------
    samples : Tensor
        float32 (N, C, H, W) in [-1, 1].
    images : numpy.ndarray
        The training images, uint8 (R, C, H, W); they may be mapped from a file.
    count : int
        Neighbours per sample.
    """

    def chunks() -> Iterator[Tensor]:
        for start in range(0, len(images), CHUNK):
            yield _as_vectors(images[start : start + CHUNK])

    # samples are rounded as files hold them, like the training images
    stored = to_bytes(samples).transpose(0, 3, 1, 2)
    indices = _baseline(len(images))
    return _search(_as_vectors(stored), _as_vectors(images[indices.numpy()]), indices, chunks, count)


def nearest_by_features(
    samples: Tensor, features: np.ndarray, extractor: Extractor, count: int = 3
) -> Neighbours:
    """Find the training images at the least Euclidean distance between an extractor's features.

    Parameters
    ----------
    samples : Tensor
        float32 (N, C, H, W) in [-1, 1].
    features : numpy.ndarray
        Of the training images, float32 (R, width), as returned by :func:`features_of`.
    extractor : Extractor
        The extractor of these features.
    count : int
        Neighbours per sample.
    """

    def chunks() -> Iterator[Tensor]:
        for start in range(0, len(features), CHUNK):
            yield torch.from_numpy(np.array(features[start : start + CHUNK]))

    stored = torch.from_numpy(np.ascontiguousarray(to_bytes(samples).transpose(0, 3, 1, 2)))
    indices = _baseline(len(features))
    baseline = torch.from_numpy(features[indices.numpy()])
    return _search(extractor(stored).features, baseline, indices, chunks, count)


def features_of(
    array: DataArray, extractor: Extractor, cache: Path, most_numbers: int | None = None
) -> np.ndarray | None:
    """Return the features of all training images, computed once and cached by content.

    Parameters
    ----------
    array : DataArray
        The training images.
    extractor : Extractor
        The extractor.
    cache : Path
        The bench's cache folder.
    most_numbers : int, optional
        Largest number of features (images x width) to compute; no limit where not given.

    Returns
    -------
    numpy.ndarray or None
        float32 (R, width), mapped from its file; None where the features are not cached and exceed the limit.
    """
    path = cache / "features" / f"{array.hash[:32]}-{extractor.hash[:32]}.npy"
    shape = array.count, extractor.width
    try:
        features: np.ndarray = np.load(path, mmap_mode="r")
        if features.shape == shape:
            return features
    except (OSError, ValueError, EOFError):
        pass  # missing or damaged: computed anew
    if most_numbers is not None and shape[0] * shape[1] > most_numbers:
        return None
    with replacing(path) as aside:
        written = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, array.count, CHUNK):
            batch = torch.from_numpy(np.array(array.samples[start : start + CHUNK]))
            written[start : start + CHUNK] = extractor(batch).features.numpy()
        written.flush()
    loaded: np.ndarray = np.load(path, mmap_mode="r")
    return loaded


def draw_neighbours(
    samples: Tensor,
    images: np.ndarray,
    by_pixels: Neighbours,
    by_features: Neighbours | None,
    title: str,
    why_not: str = NOT_AT_HAND,
) -> "Figure":
    """Draw samples, one per row, beside their nearest training images.

    Parameters
    ----------
    samples : Tensor
        float32 (N, C, H, W) in [-1, 1].
    images : numpy.ndarray
        The training images, uint8 (R, C, H, W).
    by_pixels, by_features : Neighbours
        The neighbours; those by features may be missing.
    title : str
        Title of the figure.
    why_not : str
        Caption where the neighbours by features are missing.
    """
    panels = [tiled(to_bytes(samples), 1)]
    titles, captions = ["sample"], []
    for name, found in (("pixels", by_pixels), ("features", by_features)):
        if found is None:
            captions.append(why_not)
            continue
        shown = images[found.indices.flatten().numpy()].transpose(0, 2, 3, 1)
        panels.append(tiled(shown, found.indices.shape[1]))
        titles.append(f"nearest in training\nby {name} (L2)")
        nearest = found.distances[:, 0]
        captions.append(
            f"By {name}: nearest at {nearest.min():.3g} to {nearest.max():.3g}, "
            f"median {nearest.median():.3g}; real to nearest real: median {found.among_real:.3g}."
        )
    return draw_panels([panels], title, titles, caption="\n".join(captions))


def _as_vectors(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32)) / 127.5 - 1


def _baseline(count: int) -> Tensor:
    return torch.linspace(0, count - 1, min(BASELINE, count)).round().long().unique()


def _search(
    queries: Tensor, baseline: Tensor, indices: Tensor, chunks: Callable[[], Iterator[Tensor]], count: int
) -> Neighbours:
    """Search the neighbours of samples and of the baseline in one pass over the training images."""
    asked = torch.cat([queries, baseline])
    best = torch.empty((len(asked), 0))
    where = torch.empty((len(asked), 0), dtype=torch.int64)
    start = 0
    for chunk in chunks():
        distances, found = _nearest_in(asked, chunk, count + 1)
        best, where = torch.cat([best, distances], dim=1), torch.cat([where, found + start], dim=1)
        order = best.sort(dim=1, stable=True).indices[:, : count + 1]
        best, where = best.gather(1, order), where.gather(1, order)
        start += len(chunk)
    own = where[len(queries) :] == indices[:, None]
    among = best[len(queries) :].masked_fill(own, float("inf")).amin(1)
    among = among[among.isfinite()]
    return Neighbours(
        where[: len(queries), :count],
        best[: len(queries), :count],
        float(among.median()) if len(among) else float("nan"),
    )


def _nearest_in(asked: Tensor, chunk: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return exact distances and indices of the nearest rows of a chunk, each (queries, count or fewer).

    A product of matrices ranks fast but rounds small distances, so the distances of a few more candidates
    than are wanted are computed exactly.
    """
    ranks = chunk.square().sum(1) - 2 * asked @ chunk.T
    candidates = ranks.topk(min(count + SPARE, len(chunk)), dim=1, largest=False).indices.sort(dim=1).values
    distances = torch.stack(
        [(chunk[indices] - one).norm(dim=1) for one, indices in zip(asked, candidates, strict=True)]
    )
    order = distances.sort(dim=1, stable=True).indices[:, :count]
    return distances.gather(1, order), candidates.gather(1, order)
