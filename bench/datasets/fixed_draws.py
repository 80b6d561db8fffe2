"""Draws that no version of numpy changes.

numpy promises the bits of PCG64 for ever, but not what its Generator makes of them. Whole numbers and
permutations follow from the bits alone, on every machine. Normal draws are quantiles by Python's
``NormalDist.inv_cdf``, whose last digit the machine's libm may decide; rounding to float32 hides that in all
but a few draws. Whether a machine agrees is told by the hashes of the data that the tests pin.
"""

from statistics import NormalDist

import numpy as np


def normal(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from the standard normal distribution.

    Parameters
    ----------
    seed : int
        What is drawn.
    shape : tuple of int
        Shape of the result.

    Returns
    -------
    numpy.ndarray
        float64.
    """
    # the middles of 2**52 equal parts of (0, 1), so that neither end is drawn
    bits = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    quantile = NormalDist().inv_cdf
    return np.array([quantile(each) for each in uniform.tolist()]).reshape(shape)


def integers(seed: int, below: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw whole numbers from 0, each as often as another.

    Parameters
    ----------
    seed : int
        What is drawn.
    below : int
        Above the largest; far below 2**64, so that the remainder of a division favours none.
    shape : tuple of int
        Shape of the result.

    Returns
    -------
    numpy.ndarray
        int64.
    """
    bits = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    return (bits % np.uint64(below)).astype(np.int64).reshape(shape)


def permutation(seed: int, count: int) -> np.ndarray:
    """Shuffle the numbers from 0 to `count` - 1, int64."""
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
