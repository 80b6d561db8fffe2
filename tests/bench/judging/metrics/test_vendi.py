"""The Vendi score of features whose score is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigvalsh

from bench.judging.metrics.vendi import vendi_score


@pytest.mark.parametrize("directions", [1, 3, 8])
def test_orthogonal_directions_count_themselves_whatever_their_lengths(directions: int) -> None:
    rows = np.eye(8, dtype=np.float32)[np.arange(24 * directions) % directions]
    lengths = np.random.default_rng(0).uniform(0.1, 9, (len(rows), 1)).astype(np.float32)
    assert vendi_score(rows * lengths) == pytest.approx(directions, rel=1e-6)


def test_one_sample_repeated_counts_once() -> None:
    row = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)
    assert vendi_score(np.repeat(row, 300, axis=0)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("count", "width"), [(20, 300), (300, 20), (50, 50)])
def test_the_definition_through_the_matrix_of_all_cosines(count: int, width: int) -> None:
    features = np.random.default_rng(count).normal(1, 1, (count, width)).astype(np.float32)
    vectors = features.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    eigenvalues = eigvalsh(vectors @ vectors.T / count)
    eigenvalues = eigenvalues[eigenvalues > 1e-14]
    expected = np.exp(-(eigenvalues * np.log(eigenvalues)).sum())
    assert vendi_score(features) == pytest.approx(expected, rel=1e-9)
