"""Reference statistics, kept by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from train_digits_garments import Labelled

from bench.datasets import fixed_draws
from bench.judging.extractors.images import DigitsGarments
from bench.judging.extractors.modes import Points
from bench.judging.protocol import Extraction
from bench.judging.reference import (
    MAXIMUM_PAIRED,
    Reference,
    cache_path,
    pairing_order,
    reference_statistics,
)
from bench.system.errors import WorkError


class Counting:
    """The shipped network, counting the images that it sees."""

    def __init__(self, inner: DigitsGarments) -> None:
        self.inner, self.count = inner, 0
        self.name, self.metric, self.hash = inner.name, inner.metric, inner.hash
        self.width, self.preprocessing = inner.width, inner.preprocessing
        self.provides, self.mode_count = inner.provides, inner.mode_count

    def __call__(self, images: Tensor) -> Extraction:
        self.count += len(images)
        return self.inner(images)


@pytest.fixture
def counting(shipped: DigitsGarments) -> Counting:
    return Counting(shipped)


@pytest.fixture
def images(some_digits: np.ndarray) -> np.ndarray:
    return some_digits[::5]


def statistics(counting: Counting, images: np.ndarray, cache: Path, data_hash: str = "ab" * 32) -> Reference:
    return reference_statistics(counting, images, data_hash, "mnist-5k", cache)


def assert_same(first: Reference, second: Reference) -> None:
    one, other = first.statistics.arrays(), second.statistics.arrays()
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    np.testing.assert_array_equal(first.searched, second.searched)


def test_measured_once_then_read(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    measured = statistics(counting, images, tmp_path)
    assert counting.count == 200
    read = statistics(counting, images, tmp_path)
    assert counting.count == 200
    assert_same(measured, read)
    assert read.label == "train 200@abababab"
    path = cache_path(counting, "ab" * 32, tmp_path)
    assert sorted(tmp_path.rglob("*.*")) == [path.with_suffix(".npy"), path]


def test_other_data_another_file(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    statistics(counting, images, tmp_path)
    statistics(counting, images, tmp_path, "cd" * 32)
    assert counting.count == 400
    assert len(list((tmp_path / "reference").iterdir())) == 4


@pytest.mark.parametrize("suffix", [".safetensors", ".npy"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "missing"])
def test_a_broken_file_is_measured_again(
    counting: Counting, images: np.ndarray, tmp_path: Path, damage: str, suffix: str
) -> None:
    measured = statistics(counting, images, tmp_path)
    path = cache_path(counting, "ab" * 32, tmp_path).with_suffix(suffix)
    content = bytearray(path.read_bytes())
    # of the features to search, those of paired samples are compared with the other file
    content[-100 if suffix == ".safetensors" else 1000] ^= 1
    broken = {"cut": bytes(content[:-50]), "flipped": bytes(content), "empty": b"", "foreign": b"\xff" * 100}
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(broken[damage])
    again = statistics(counting, images, tmp_path)
    assert counting.count == 400
    assert_same(measured, again)
    statistics(counting, images, tmp_path)
    assert counting.count == 400  # it was replaced


def test_a_file_of_too_few_features_is_measured_again(
    counting: Counting, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("bench.judging.reference.MAXIMUM_PAIRED", 50)
        assert len(statistics(counting, images, tmp_path).statistics.features) == 50
    assert len(statistics(counting, images, tmp_path).statistics.features) == 100
    assert counting.count == 400


def test_the_features_to_search_are_of_all_samples_or_of_as_many_as_the_cache_may_hold(
    counting: Counting, digits: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images: np.ndarray = digits.images[::2].numpy()  # more than one batch
    expected = counting.inner(torch.from_numpy(images[pairing_order(2500)])).features.numpy()
    whole = statistics(counting, images, tmp_path)
    np.testing.assert_allclose(whole.searched, expected, atol=1e-4)
    np.testing.assert_array_equal(whole.searched[:1250], whole.statistics.features)
    assert isinstance(statistics(counting, images, tmp_path).searched, np.memmap)
    for numbers, count in ((64 * 2000, 2000), (64, 1250)):  # never fewer than are paired
        monkeypatch.setattr("bench.judging.reference.MOST_SEARCHED", numbers)
        np.testing.assert_allclose(
            statistics(counting, images, tmp_path).searched, expected[:count], atol=1e-4
        )


def test_a_part_of_the_samples_under_the_hash_of_the_whole_is_measured_again(
    counting: Counting, images: np.ndarray, tmp_path: Path
) -> None:
    whole = statistics(counting, images, tmp_path)
    half = statistics(counting, images[:100], tmp_path)
    other = statistics(counting, images[100:], tmp_path)
    assert (whole.count, half.count, other.count) == (200, 100, 100)
    assert not np.array_equal(half.statistics.moments.mean, other.statistics.moments.mean)


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    counting: Counting, images: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "reference").write_text("a file where the folder should be")
    assert statistics(counting, images, tmp_path).count == 200


def test_read_only_images_are_taken(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    frozen = images.copy()
    frozen.flags.writeable = False
    assert statistics(counting, frozen, tmp_path).count == 200


def test_wrong_samples_are_refused(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    for samples in (images.astype(np.float32), images[:, 0], np.zeros((20, 2))):
        with pytest.raises(ValueError, match="uint8"):
            statistics(counting, samples, tmp_path)
    with pytest.raises(WorkError, match="mnist-5k train: at least 12 samples are needed, not 11"):
        statistics(counting, images[:11], tmp_path)


def test_points_are_measured_as_well_as_images(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    extractor = Points(np.zeros((1, 2)), 1.0)
    reference = reference_statistics(extractor, points, "ef" * 32, "cloud", tmp_path)
    read = reference_statistics(extractor, points, "ef" * 32, "cloud", tmp_path)
    assert_same(reference, read)
    np.testing.assert_array_equal(reference.statistics.features, points[pairing_order(40)[:20]])
    assert reference.statistics.images.size == 0
    assert reference.statistics.modes.nearest.tolist() == [40]


def test_moments_are_of_all_samples_and_equal_those_of_one_pass(
    counting: Counting, digits: Labelled, tmp_path: Path
) -> None:
    images: np.ndarray = digits.images[::2].numpy()
    features = counting.inner(torch.from_numpy(images)).features
    reference = statistics(counting, images, tmp_path)
    expected = np.cov(features.double().numpy(), rowvar=False)
    np.testing.assert_allclose(reference.statistics.moments.covariance, expected, atol=1e-5)


def test_kept_features_are_of_the_first_half_of_the_pairing_order(
    counting: Counting, digits: Labelled, tmp_path: Path
) -> None:
    images: np.ndarray = digits.images[::2].numpy()  # more than one batch
    found = statistics(counting, images, tmp_path).statistics
    compared = pairing_order(2500)[:1250]
    expected = counting.inner(torch.from_numpy(images[compared])).features.numpy()
    np.testing.assert_allclose(found.features, expected, atol=1e-4)
    assert found.features.dtype == np.float32
    assert found.images.size == 0  # no metric looks at them


@pytest.mark.parametrize("count", [101, 5000], ids=["any count", "mnist-5k"])
def test_the_order_is_the_one_that_no_version_of_numpy_changes(count: int) -> None:
    np.testing.assert_array_equal(pairing_order(count), fixed_draws.permutation(0, count))
    assert sorted(pairing_order(count)) == list(range(count))
    assert pairing_order(count).tolist() != list(range(count))


@pytest.mark.parametrize(
    ("generated", "paired"), [(12, 12), (99, 99), (100, 100), (5000, 100)], ids=lambda count: f"{count}"
)
def test_at_most_half_of_the_real_samples_are_compared(
    counting: Counting, images: np.ndarray, tmp_path: Path, generated: int, paired: int
) -> None:
    assert statistics(counting, images, tmp_path).paired(generated) == paired
    assert MAXIMUM_PAIRED == 5000
