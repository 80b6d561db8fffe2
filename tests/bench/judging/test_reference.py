"""Reference statistics, kept by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.errors import WorkError
from bench.judging.extraction import DigitsGarments
from bench.judging.reference import Reference, cache_path, reference_statistics


class Counting:
    """The shipped network, counting the images that it sees."""

    def __init__(self, inner: DigitsGarments) -> None:
        self.inner, self.seen = inner, 0
        self.name, self.metric, self.hash = inner.name, inner.metric, inner.hash
        self.width, self.preprocessing = inner.width, inner.preprocessing

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.seen += len(images)
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
    assert first.moments.count == second.moments.count
    np.testing.assert_array_equal(first.moments.mean, second.moments.mean)
    np.testing.assert_array_equal(first.moments.covariance, second.moments.covariance)
    np.testing.assert_array_equal(first.shares.hard, second.shares.hard)
    assert first.counts == second.counts


def test_measured_once_then_read(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    measured = statistics(counting, images, tmp_path)
    assert counting.seen == 200
    read = statistics(counting, images, tmp_path)
    assert counting.seen == 200
    assert_same(measured, read)
    assert read.words == "mnist-5k train 200@abababab"
    assert list(tmp_path.rglob("*.*")) == [cache_path(counting, "ab" * 32, tmp_path)]


def test_other_data_another_file(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    statistics(counting, images, tmp_path)
    statistics(counting, images, tmp_path, "cd" * 32)
    assert counting.seen == 400
    assert len(list((tmp_path / "reference").iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_broken_file_is_measured_again(
    counting: Counting, images: np.ndarray, tmp_path: Path, damage: str
) -> None:
    measured = statistics(counting, images, tmp_path)
    path = cache_path(counting, "ab" * 32, tmp_path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    broken = {"cut": bytes(content[:-50]), "flipped": bytes(content), "empty": b"", "foreign": b"\xff" * 100}
    path.write_bytes(broken[damage])
    again = statistics(counting, images, tmp_path)
    assert counting.seen == 400
    assert_same(measured, again)
    statistics(counting, images, tmp_path)
    assert counting.seen == 400  # it was replaced


def test_a_part_under_the_hash_of_the_whole_is_not_taken_for_it(
    counting: Counting, images: np.ndarray, tmp_path: Path
) -> None:
    whole = statistics(counting, images, tmp_path)
    half = statistics(counting, images[:100], tmp_path)
    other = statistics(counting, images[100:], tmp_path)
    assert (whole.moments.count, half.moments.count, other.moments.count) == (200, 100, 100)
    assert not np.array_equal(half.moments.mean, other.moments.mean)


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    counting: Counting, images: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "reference").write_text("a file where the folder should be")
    assert statistics(counting, images, tmp_path).moments.count == 200


def test_read_only_images_are_taken(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    frozen = images.copy()
    frozen.flags.writeable = False
    assert statistics(counting, frozen, tmp_path).moments.count == 200


def test_wrong_images_are_refused(counting: Counting, images: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        statistics(counting, images.astype(np.float32), tmp_path)
    with pytest.raises(WorkError, match="mnist-5k train: at least 2 images are needed, not 1"):
        statistics(counting, images[:1], tmp_path)


def test_features_equal_those_of_one_pass(counting: Counting, digits: object, tmp_path: Path) -> None:
    images: np.ndarray = digits.images[::2].numpy()  # type: ignore[attr-defined]
    features, _ = counting.inner(torch.from_numpy(images))
    reference = statistics(counting, images, tmp_path)
    expected = np.cov(features.double().numpy(), rowvar=False)
    np.testing.assert_allclose(reference.moments.covariance, expected, atol=1e-5)
