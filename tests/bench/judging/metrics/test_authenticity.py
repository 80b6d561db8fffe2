"""Authenticity by its definition, and on copies of any training image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from bench.judging.extractors.images import DigitsGarments
from bench.judging.judge import Judge
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.authenticity import authenticity
from bench.judging.reference import pairing_order, reference_statistics

Compare = Callable[..., MetricInputs]


def by_definition(generated: np.ndarray, training: np.ndarray) -> float:
    """Alaa et al.: A_j = 1 if d(g_j, D) > d(r, D without r), r being the training sample nearest to g_j."""
    authentic = 0
    for sample in generated.astype(np.float64):
        apart = [np.linalg.norm(sample - real) for real in training.astype(np.float64)]
        nearest = int(np.argmin(apart))
        others = np.delete(training.astype(np.float64), nearest, axis=0)
        authentic += apart[nearest] > min(np.linalg.norm(training[nearest] - real) for real in others)
    return authentic / len(generated)


@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0, 3.0])
def test_the_definition(compare: Compare, spread: float) -> None:
    rng = np.random.default_rng(0)
    training = rng.normal(size=(60, 3)).astype(np.float32)
    generated = (training + spread * rng.normal(size=training.shape)).astype(np.float32)
    assert authenticity(compare(generated, training)) == by_definition(generated, training)


def test_copies_are_not_authentic_and_samples_far_from_all_data_are(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    real = digit_features[1]
    assert authenticity(compare(real[::-1].copy(), real)) == 0.0
    assert authenticity(compare(real + 1000, real)) == 1.0


def test_copies_of_training_samples_that_occur_twice_are_as_far_as_their_twin_and_not_authentic(
    compare: Compare, digit_features: tuple[np.ndarray, np.ndarray]
) -> None:
    twice = np.repeat(digit_features[1][:200], 2, axis=0)
    apart = cdist(twice, twice)
    np.fill_diagonal(apart, np.inf)
    assert not apart.min(axis=1).any()
    assert authenticity(compare(twice, twice)) == 0.0


def test_every_training_image_that_is_copied_is_seen_not_only_the_paired_ones(
    shipped: DigitsGarments, some_digits: np.ndarray, tmp_path: Path
) -> None:
    """Half of the images are compared pairwise; copies of the others are found all the same."""
    judge = Judge(shipped, reference_statistics(shipped, some_digits, "ab" * 32, "digits", tmp_path), 300)
    unpaired = some_digits[pairing_order(1000)[600:900]]

    def copies(count: int) -> Iterator[Tensor]:
        yield from (torch.from_numpy(unpaired).float() / 127.5 - 1).split(70)

    values = judge.measure(copies)
    assert values["authenticity"] == 0.0
    assert values["coverage"] > 0.8  # no other metric shows the copies
    assert values["duplicates"] < 0.1
    # held-out real images are not searched among themselves
    assert 0.35 < judge.measure_real(some_digits, tmp_path)["authenticity"] < 0.65
