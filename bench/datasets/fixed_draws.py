"""Random draws that are equal under every version of numpy.

numpy guarantees the bits of PCG64, but not the numbers that its Generator derives from the bits. Integers and
permutations here depend on the bits alone, on every machine. Normal draws are quantiles by Python's
``NormalDist.inv_cdf``, whose last digit depends on the machine's libm; rounding to float32 removes that
difference in all but a few draws. The tests compare hashes of the data with fixed values.
"""

from statistics import NormalDist

import numpy as np


def normal(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from the standard normal distribution.

    Parameters
    ----------
    seed : int
        Seed of the draws.
    shape : tuple of int
        Shape of the result.

    Returns
    -------
    numpy.ndarray
        float64.
    """
    # centres of 2**52 equal intervals of (0, 1): neither 0 nor 1 is drawn
    bits = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    quantile = NormalDist().inv_cdf
    return np.array([quantile(each) for each in uniform.tolist()]).reshape(shape)


def integers(seed: int, below: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw uniformly distributed integers from 0 to `below` - 1.

    Parameters
    ----------
    seed : int
        Seed of the draws.
    below : int
        Exclusive upper bound; far below 2**64, so that the modulo operation is all but unbiased.
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
    """Return a permutation of the integers from 0 to `count` - 1, int64 of shape (count,)."""
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
