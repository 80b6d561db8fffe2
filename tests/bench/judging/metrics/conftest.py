"""Metric inputs of given features, and of the features of real and of blurred digits."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from train_digits_garments import Labelled

from bench.judging.extractors.images import DigitsGarments
from bench.judging.metric_inputs import MetricInputs
from bench.judging.protocol import Extraction
from bench.judging.sample_statistics import SampleStatistics

Compare = Callable[..., MetricInputs]


def statistics_of(
    features: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    modes: np.ndarray | None = None,
    on_mode: np.ndarray | None = None,
    mode_count: int = 0,
) -> SampleStatistics:
    """Statistics of samples for which an extractor returned just this."""
    given = [part for part in (features, probabilities, modes) if part is not None]
    if features is None:
        features = np.zeros((len(given[0]), 1))
    extractor = SimpleNamespace(width=features.shape[1], mode_count=mode_count, provides=frozenset())
    count = len(features)
    statistics = SampleStatistics(extractor, "given samples", kept=count, total=count)
    parts = [
        None if part is None else torch.from_numpy(part) for part in (features, probabilities, modes, on_mode)
    ]
    statistics.update(torch.zeros(len(features), 1), Extraction(*parts))
    return statistics


@pytest.fixture(scope="session")
def compare() -> Compare:
    """Compare generated with real features, as many of each as there are of the fewer."""

    def compare(generated: np.ndarray, real: np.ndarray) -> MetricInputs:
        return MetricInputs(statistics_of(generated), statistics_of(real), min(len(generated), len(real)))

    return compare


@pytest.fixture(scope="session")
def compare_batches() -> Compare:
    """Compare classes or modes."""

    def compare(generated: dict[str, object], real: dict[str, object]) -> MetricInputs:
        first, second = statistics_of(**generated), statistics_of(**real)
        return MetricInputs(first, second, min(first.count, second.count))

    return compare


@pytest.fixture(scope="session")
def blurred_and_real(digits: Labelled, shipped: DigitsGarments) -> tuple[Extraction, Extraction]:
    """The shipped network's extraction of 700 slightly blurred digits, and of 700 others."""
    rows = torch.randperm(5000, generator=torch.Generator().manual_seed(2))
    blurred = torch.nn.functional.avg_pool2d(digits.images[rows[:700]].float(), 3, stride=1, padding=1)
    return shipped(blurred.round().to(torch.uint8)), shipped(digits.images[rows[700:1400]])


@pytest.fixture(scope="session")
def digit_features(blurred_and_real: tuple[Extraction, Extraction]) -> tuple[np.ndarray, np.ndarray]:
    """Their features, float32 (700, 64) each: of the blurred digits, of the others."""
    blurred, real = blurred_and_real
    return blurred.features.numpy(), real.features.numpy()
