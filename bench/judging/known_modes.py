"""Extractors for data whose modes are known: 2-D points of a mixture, and stacked digits."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from bench.judging import feature_network
from bench.judging.extraction import DigitsGarments
from bench.judging.protocol import Evidence, Seen

DIGITS = 10
CHANNELS = 3
# A point lies well on its mode within so many standard deviations (VEEGAN, PacGAN).
HIGH_QUALITY_DEVIATIONS = 3.0


class Points:
    """Points of a mixture of equal round Gaussians: the features are the coordinates themselves.

    Parameters
    ----------
    centres : ndarray
        Means of the modes, float64 (M, D).
    deviation : float
        Standard deviation of each coordinate about its mean, above 0.

    Notes
    -----
    A point's mode is the nearest mean; it is of high quality within 3 standard deviations of it (Srivastava
    et al. 2017, VEEGAN, section 4.1; Lin et al. 2018, PacGAN, section 4.1).
    """

    name = "points"
    metric = "fd_points"
    preprocessing = "the coordinates themselves"
    gives: frozenset[Evidence] = frozenset({"features", "modes", "quality"})

    def __init__(self, centres: np.ndarray, deviation: float) -> None:
        self._centres = torch.from_numpy(np.asarray(centres, dtype=np.float64))
        self._reach = HIGH_QUALITY_DEVIATIONS * deviation
        self.mode_count, self.width = self._centres.shape
        facts = f"{deviation!r} {self._centres.tolist()!r}"
        self.hash = hashlib.sha256(facts.encode()).hexdigest()

    def __call__(self, samples: Tensor) -> Seen:
        """Look at float32 points (N, D).

        Raises
        ------
        ValueError
            If they are of another shape or type.
        """
        if samples.dtype != torch.float32 or samples.dim() != 2 or samples.shape[1] != self.width:
            raise ValueError(
                f"{self.name} takes float32 points (N, {self.width}),"
                f" not {samples.dtype} {tuple(samples.shape)}"
            )
        apart = torch.cdist(samples.double(), self._centres, compute_mode="donot_use_mm_for_euclid_dist")
        distance, nearest = apart.min(dim=1)
        return Seen(samples, modes=nearest, on_mode=distance <= self._reach)


class StackedDigits:
    """Three digits as the channels of an image: the shipped network looks at each channel.

    The mode of an image is the number that its three digits make, 0 to 999, red first. Garments, which the
    network knows too, are not asked for.

    Parameters
    ----------
    device : torch.device or str
        Where the network runs.
    """

    name = "stacked-digits"
    metric = "fd_stacked_digits"
    preprocessing = "each channel: " + DigitsGarments.preprocessing
    gives: frozenset[Evidence] = frozenset({"features", "images", "modes"})
    width = CHANNELS * feature_network.WIDTH
    mode_count = DIGITS**CHANNELS

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._network = DigitsGarments(device=device)
        self.hash = hashlib.sha256(f"{self.name} {self._network.hash}".encode()).hexdigest()

    def __call__(self, samples: Tensor) -> Seen:
        """Look at uint8 images (N, 3, H, W).

        Raises
        ------
        ValueError
            If they are of another shape or type.
        """
        if samples.dim() != 4 or samples.shape[1] != CHANNELS:
            raise ValueError(f"{self.name} takes uint8 images (N, 3, H, W), not {tuple(samples.shape)}")
        seen = self._network(samples.flatten(0, 1).unsqueeze(1))
        assert seen.probabilities is not None
        digits = seen.probabilities[:, :DIGITS].argmax(dim=1).unflatten(0, (-1, CHANNELS))
        modes = digits[:, 0] * 100 + digits[:, 1] * 10 + digits[:, 2]
        return Seen(seen.features.unflatten(0, (-1, CHANNELS)).flatten(1), modes=modes)
