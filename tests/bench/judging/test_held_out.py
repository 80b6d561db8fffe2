"""Held-out samples: equally many of each kind, and a gap by which copies of training samples are known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.datasets import load, load_held_out
from bench.datasets.arrays import DataArray
from bench.judging.extractors.images import DigitsGarments
from bench.judging.given_samples import GivenSamples
from bench.judging.held_out import HeldOut, held_out_statistics
from bench.judging.judge import Judge
from bench.judging.metrics import better_direction, metrics_for
from bench.judging.metrics.frechet import frechet_distance
from bench.judging.metrics.registry import needs_held_out
from bench.judging.moments import Moments
from bench.judging.reference import Reference, pairing_order, reference_statistics

NAMES = ["fd_digits_garments_held_out", "fd_digits_garments_gap"]
SAMPLES = 500


@pytest.fixture(scope="module")
def data(cache_folder: Path) -> SimpleNamespace:
    """4 of 5 digits, and the fifth."""
    given = {
        "image_size": 28, "channels": 1, "data_root": cache_folder, "cache": cache_folder, "held_out": 0.2
    }  # fmt: skip
    training, outside = load("mnist-5k", **given), load_held_out("mnist-5k", **given)
    assert outside is not None
    return SimpleNamespace(training=training, outside=outside)


def reference_of(array: DataArray, shipped: DigitsGarments, cache_folder: Path) -> Reference:
    return reference_statistics(shipped, array.samples, array.hash, array.name, cache_folder)


@pytest.fixture(scope="module")
def held_out(data: SimpleNamespace, shipped: DigitsGarments, cache_folder: Path) -> HeldOut:
    reference = reference_of(data.training, shipped, cache_folder)
    found = held_out_statistics(shipped, reference, data.outside, cache_folder)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def judge(data: SimpleNamespace, shipped: DigitsGarments, held_out: HeldOut, cache_folder: Path) -> Judge:
    return Judge(shipped, reference_of(data.training, shipped, cache_folder), SAMPLES, held_out=held_out)


def moments_of(shipped: DigitsGarments, images: np.ndarray) -> Moments:
    return Moments(shipped.width).update(shipped(torch.from_numpy(np.array(images))).features)


def test_as_many_training_samples_are_taken_and_none_that_is_scored_as_generated(
    data: SimpleNamespace, shipped: DigitsGarments, held_out: HeldOut
) -> None:
    training, outside = data.training, data.outside
    assert held_out.moments.count == held_out.matched_moments.count == outside.count < training.count / 2
    assert held_out.label == f"held-out {outside.count}@{outside.hash[:8]} and as many of the reference"
    expected = moments_of(shipped, outside.samples)
    np.testing.assert_allclose(held_out.moments.mean, expected.mean, atol=1e-6)
    # the second half is what is measured as though it were generated
    matched = moments_of(shipped, training.samples[pairing_order(training.count)[: outside.count]])
    np.testing.assert_allclose(held_out.matched_moments.mean, matched.mean, atol=1e-6)
    np.testing.assert_allclose(held_out.matched_moments.scatter, matched.scatter, rtol=1e-4, atol=1e-2)
    assert held_out.features.shape == (outside.count, shipped.width)


def test_where_more_are_held_out_than_trained_on_their_number_is_reduced(
    data: SimpleNamespace, shipped: DigitsGarments, cache_folder: Path
) -> None:
    small = reference_of(data.outside, shipped, cache_folder)
    found = held_out_statistics(shipped, small, data.training, cache_folder)
    assert found is not None
    count = data.outside.count - data.outside.count // 2
    assert found.moments.count == found.matched_moments.count == count
    few = DataArray("few", data.outside.samples[:11], "ab" * 32, "")
    assert held_out_statistics(shipped, small, few, cache_folder) is None


def test_distance_and_gap_are_those_of_the_moments(
    data: SimpleNamespace, shipped: DigitsGarments, held_out: HeldOut, judge: Judge
) -> None:
    images = data.training.samples[:SAMPLES]
    values = judge.measure(GivenSamples(images), NAMES)
    generated = moments_of(shipped, images)
    to_held_out = frechet_distance(generated, held_out.moments)
    assert list(values) == NAMES
    assert values[NAMES[0]] == pytest.approx(to_held_out, rel=1e-6)
    to_training = frechet_distance(generated, held_out.matched_moments)
    assert values[NAMES[1]] == pytest.approx(to_held_out - to_training, rel=1e-6)


def test_copies_of_training_samples_have_a_gap_and_unseen_samples_have_none(
    data: SimpleNamespace, judge: Judge, cache_folder: Path
) -> None:
    real = judge.measure_real(data.training.samples, cache_folder)
    order = pairing_order(data.training.count)
    copies = judge.measure(GivenSamples(data.training.samples, order), NAMES)
    assert abs(real[NAMES[1]]) < 0.1
    assert copies[NAMES[1]] > 0.5
    assert copies[NAMES[0]] > real[NAMES[0]]
    assert better_direction(NAMES[1]) == "lower"


def test_only_a_judge_with_held_out_samples_measures_what_needs_them(judge: Judge) -> None:
    without = Judge(judge.extractor, judge.reference, SAMPLES)
    assert set(judge.metrics) - set(without.metrics) == set(NAMES)
    assert [name for name in judge.metrics if name not in NAMES] == list(without.metrics)
    assert without.protocol == judge.protocol
    assert all(map(needs_held_out, NAMES))
    assert not any(map(needs_held_out, without.metrics))
    assert {metric.needs for metric in metrics_for(judge.extractor, held_out=True)} > {"held-out"}
    assert not needs_held_out("vendi_gap")


def test_the_values_of_this_revision(data: SimpleNamespace, judge: Judge, cache_folder: Path) -> None:
    """Where this fails for a value: raise the metric's revision, and record both here."""
    real = judge.measure_real(data.training.samples, cache_folder)
    expected = {NAMES[0]: (1, 0.780271), NAMES[1]: (1, -0.00118790)}
    for name, (revision, value) in expected.items():
        assert judge.metrics[name].revision == revision
        assert real[name] == pytest.approx(value, abs=1e-5)
