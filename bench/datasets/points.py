"""Points of the plane from mixtures of Gaussians, whose coverage is measured without a network.

The mixtures are those of VEEGAN (Srivastava and others 2017) with the numbers of PacGAN (Lin and others
2018), each scaled by a constant: the outermost centres on an axis have a distance of 0.8 from the origin.
"""

import numpy as np

from bench.datasets import fixed_draws
from bench.datasets.arrays import mode_names
from bench.datasets.registry import PointDataset, register


class GaussianMixture(PointDataset):
    """Equally weighted Gaussians with the same number of points each; the class of a point is its mode.

    Attributes
    ----------
    seed : int
        Seed of the points, which do not depend on the run's seed.
    """

    source = "as in VEEGAN (Srivastava and others 2017) and PacGAN (Lin and others 2018); made here"
    count_of_points = 50_000
    seed: int

    def points(self) -> np.ndarray:
        """Draw the points, cycling through the modes."""
        draws = fixed_draws.normal(self.seed, (self.count_of_points, 2))
        return (self.centres()[self.labels()] + self.deviation * draws).astype(np.float32)

    def labels(self) -> np.ndarray:
        """Return the mode of each point, the number of its centre."""
        return np.arange(self.count_of_points) % len(self.centres())

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the modes."""
        return mode_names(len(self.centres()))


@register
class Ring8(GaussianMixture):
    """Means (cos(2 pi i / 8), sin(2 pi i / 8)) and standard deviation 0.01, times 0.8."""

    name = "ring-8"
    description = "points about 8 centres on a circle, each of a Gaussian"
    transform = "points times 0.8: radius 0.8, standard deviation 0.008"
    deviation = 0.008
    seed = 8

    def centres(self) -> np.ndarray:
        """Return the centres counter-clockwise, starting at the right."""
        # constants, since the last bits of sine and cosine differ between machines
        half = np.sqrt(0.5)
        cosines = np.array([1, half, 0, -half, -1, -half, 0, half])
        return 0.8 * np.stack([cosines, np.roll(cosines, 2)], axis=1)


@register
class Grid25(GaussianMixture):
    """Means (-4 + 2 i, -4 + 2 j) for i, j from 0 to 4 and standard deviation 0.05, over 5."""

    name = "grid-25"
    description = "points about 25 centres on a square grid, each of a Gaussian"
    transform = "points over 5: centres 0.4 apart from -0.8 to 0.8, standard deviation 0.01"
    deviation = 0.01
    seed = 25

    def centres(self) -> np.ndarray:
        """Return the centres, the first coordinate varying slowest."""
        steps = np.arange(-4, 5, 2) / 5
        return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
