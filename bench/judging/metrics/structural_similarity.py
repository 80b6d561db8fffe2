"""Multi-scale structural similarity between pairs of generated images: high where all look alike.

Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment", equation 7;
between pairs of a generator's images as in Odena et al. 2017 (AC-GAN), section 4.2. Borders are those of
torchmetrics, with which it agrees: the coarsest scale goes to the image's edges, beyond which the image is
reflected; finer ones stay where the window fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.judging.metrics.registry import metric
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.judging.metric_inputs import MetricInputs


# Wang et al.'s exponents of the scales, finest first.
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11  # side of the Gaussian window, in pixels
DEVIATION = 1.5  # of the window, in pixels
K1, K2 = 0.01, 0.03  # steady the quotients; times the range of pixel values
_VALUES = 2**18  # of images at a time: bounds memory


@metric(
    "ms_ssim",
    "mean multi-scale structural similarity of pairs of generated images",
    better="lower",
    needs="images",
    settings="250 pairs, window 11, as many of 5 scales as the size allows",
)
def of_samples(inputs: MetricInputs) -> float:
    """From about 0 to 1. Real images are not used; their own value is the one to compare with."""
    images = inputs.generated_images
    half = len(images) // 2
    return float(np.mean(structural_similarity(images[:half], images[half : 2 * half])))


def scales(side: int) -> int:
    """How many scales an image of that side has, 1 to 5: the coarsest must hold the window.

    Raises
    ------
    RequestError
        If the image is smaller than the window.
    """
    count = sum(side >> scale >= WINDOW for scale in range(len(EXPONENTS)))
    if not count:
        raise RequestError(f"image_size {side} is too small to be judged: allowed is {WINDOW} or more")
    return count


def structural_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multi-scale structural similarity of pairs of images.

    Parameters
    ----------
    first, second : ndarray
        uint8 (N, C, S, S).

    Returns
    -------
    ndarray
        float64 (N,), at most 1; negative similarities of a scale count as 0. With fewer than five scales the
        exponents are scaled to a sum of 1.
    """
    levels = scales(first.shape[-1])
    exponents = [exponent / sum(EXPONENTS[:levels]) for exponent in EXPONENTS[:levels]]
    together = max(1, _VALUES // first[0].size)
    starts = range(0, len(first), together)
    parts = [
        _of_pairs(first[start : start + together], second[start : start + together], exponents)
        for start in starts
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _of_pairs(first: np.ndarray, second: np.ndarray, exponents: list[float]) -> np.ndarray:
    import torch
    from torch import nn

    pair = [torch.from_numpy(np.array(images)).double() / 255 for images in (first, second)]
    result = torch.ones(len(first), dtype=torch.float64)
    for level, exponent in enumerate(exponents):
        last = level == len(exponents) - 1
        if last:
            border = (WINDOW // 2,) * 4
            pair = [nn.functional.pad(images, border, mode="reflect") for images in pair]
        luminance, contrast = _one_scale(*pair)
        found = (luminance * contrast if last else contrast).flatten(1).mean(dim=1)
        result = result * found.clamp(min=0) ** exponent
        if not last:
            pair = [nn.functional.avg_pool2d(images, 2) for images in pair]
    return result.numpy()


def _one_scale(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms where the window fits."""
    import torch

    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-((places / DEVIATION) ** 2) / 2)
    window = (window / window.sum()).view(1, 1, 1, -1)
    count, channels = first.shape[:2]

    def smooth(images: Tensor) -> Tensor:
        flat = images.reshape(-1, 1, *images.shape[-2:])
        across = torch.nn.functional.conv2d(flat, window)
        both = torch.nn.functional.conv2d(across, window.transpose(2, 3))
        return both.view(count, channels, *both.shape[-2:])

    mean_a, mean_b = smooth(first), smooth(second)
    variance_a = (smooth(first * first) - mean_a**2).clamp(min=0)
    variance_b = (smooth(second * second) - mean_b**2).clamp(min=0)
    covariance = smooth(first * second) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + K1**2) / (mean_a**2 + mean_b**2 + K1**2)
    contrast = (2 * covariance + K2**2) / (variance_a + variance_b + K2**2)
    return luminance, contrast
