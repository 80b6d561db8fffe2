"""Extractors for data with known modes: points of a mixture of Gaussians, and stacked digits."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from bench.datasets import contents
from bench.datasets.arrays import mode_names
from bench.datasets.stacked import names_of_modes
from bench.judging.extractors.images import DigitsGarments
from bench.judging.protocol import Extraction, Requirement

DIGITS = 10
CHANNELS = 3
# Standard deviations from its mode within which a point is of high quality (VEEGAN, PacGAN).
HIGH_QUALITY_DEVIATIONS = 3.0


class Points:
    """Points of a mixture of equal round Gaussians: the features are the coordinates themselves.

    Parameters
    ----------
    centres : ndarray
        Means of the modes, float64 (N, D).
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
    provides: frozenset[Requirement] = frozenset({"features", "modes", "quality"})
    trained_on: tuple[str, ...] = ()

    def __init__(self, centres: np.ndarray, deviation: float) -> None:
        self._centres = torch.from_numpy(np.asarray(centres, dtype=np.float64))
        self._reach = HIGH_QUALITY_DEVIATIONS * deviation
        self.mode_count, self.width = self._centres.shape
        self.class_names = mode_names(self.mode_count)
        facts = f"{deviation!r} {self._centres.tolist()!r}"
        self.hash = hashlib.sha256(facts.encode()).hexdigest()

    def __call__(self, samples: Tensor) -> Extraction:
        """Extract from float32 points (N, D).

        Raises
        ------
        ValueError
            If the samples have another shape or type.
        """
        if samples.dtype != torch.float32 or samples.dim() != 2 or samples.shape[1] != self.width:
            raise ValueError(
                f"{self.name} takes float32 points (N, {self.width}),"
                f" not {samples.dtype} {tuple(samples.shape)}"
            )
        distances = torch.cdist(samples.double(), self._centres, compute_mode="donot_use_mm_for_euclid_dist")
        distance, nearest = distances.min(dim=1)
        return Extraction(samples, modes=nearest, on_mode=distance <= self._reach)


class StackedDigits:
    """Images whose three channels are digits: the shipped network extracts from each channel.

    The mode of an image is the number that its three digits form, 0 to 999, red first. The network's
    garment classes are ignored.

    Parameters
    ----------
    device : torch.device or str
        Device of the network.
    """

    name = "stacked-digits"
    metric = "fd_stacked_digits"
    preprocessing = "each channel: " + DigitsGarments.preprocessing
    provides: frozenset[Requirement] = frozenset({"features", "images", "modes"})
    trained_on: tuple[str, ...] = (contents.DIGITS,)
    width = CHANNELS * DigitsGarments.width
    mode_count = DIGITS**CHANNELS
    class_names = names_of_modes()

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._network = DigitsGarments(device=device)
        self.hash = hashlib.sha256(f"{self.name} {self._network.hash}".encode()).hexdigest()

    def __call__(self, samples: Tensor) -> Extraction:
        """Extract from uint8 images (N, 3, H, W).

        Raises
        ------
        ValueError
            If the samples have another shape or type.
        """
        if samples.dim() != 4 or samples.shape[1] != CHANNELS:
            raise ValueError(f"{self.name} takes uint8 images (N, 3, H, W), not {tuple(samples.shape)}")
        extraction = self._network(samples.flatten(0, 1).unsqueeze(1))
        assert extraction.probabilities is not None
        digits = extraction.probabilities[:, :DIGITS].argmax(dim=1).unflatten(0, (-1, CHANNELS))
        modes = digits[:, 0] * 100 + digits[:, 1] * 10 + digits[:, 2]
        return Extraction(extraction.features.unflatten(0, (-1, CHANNELS)).flatten(1), modes=modes)
