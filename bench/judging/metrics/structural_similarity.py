"""Multi-scale structural similarity between pairs of generated images: high where all images look alike.

Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment", equation 7;
between pairs of a generator's images as in Odena et al. 2017 (AC-GAN), section 4.2. torchmetrics computes it.
"""

from __future__ import annotations

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric
from bench.system.errors import RequestError

# Wang et al.'s exponents of the scales, finest first.
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Smallest side of images with 1, 2, ... scales: torchmetrics' rule, by which the coarsest scale holds the
# window of 11 pixels.
SMALLEST_SIDES = (11, 22, 44, 99, 176)
_VALUES = 2**18  # of images in a batch: bounds memory


@metric(
    "ms_ssim",
    "mean multi-scale structural similarity of pairs of generated images",
    better="lower",
    needs="images",
    settings="250 pairs, window 11, as many of 5 scales as the size allows",
    revision=2,  # 1: in float64, of torch's own operations
)
def of_samples(inputs: MetricInputs) -> float:
    """From about 0 to 1. Real images are not used; their own value is the one to compare with."""
    images = inputs.generated_images
    half = len(images) // 2
    return float(np.mean(structural_similarity(images[:half], images[half : 2 * half])))


def scales(side: int) -> int:
    """Return the number of scales for images of this side, 1 to 5.

    Raises
    ------
    RequestError
        If the image is smaller than the window.
    """
    count = sum(side >= smallest for smallest in SMALLEST_SIDES)
    if not count:
        raise RequestError(
            f"image_size {side} is too small to be judged: allowed is {SMALLEST_SIDES[0]} or more"
        )
    return count


def structural_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multi-scale structural similarity of pairs of images.

    Parameters
    ----------
    first, second : ndarray
        uint8 (N, C, S, S), N at least 1.

    Returns
    -------
    ndarray
        float64 (N,), at most 1; negative similarities of a scale count as 0. With fewer than five scales the
        exponents are scaled to a sum of 1.
    """
    # imported late: torchmetrics takes seconds to import, and tables import this module for names alone
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    exponents = EXPONENTS[: scales(first.shape[-1])]
    weights = tuple(exponent / sum(exponents) for exponent in exponents)
    batch = max(1, _VALUES // first[0].size)
    with torch.inference_mode():
        # in float32, whose error is 1e-5 or less (1e-4 for flat images): float64 takes thirty times as long
        pairs = [torch.from_numpy(images).split(batch) for images in (first, second)]
        parts = [
            multiscale_structural_similarity_index_measure(
                one.float() / 255, other.float() / 255, reduction="none", data_range=1.0, betas=weights
            )
            for one, other in zip(*pairs, strict=True)
        ]
    return torch.cat([part.double() for part in parts]).numpy()
