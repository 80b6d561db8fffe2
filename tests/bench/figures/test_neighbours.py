"""Nearest training images, against a plain search."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets import DataArray
from bench.figures import neighbours
from bench.figures.neighbours import features_of, nearest_by_features, nearest_by_pixels
from bench.judging.extractors.images import DigitsGarments


def training(count: int = 230, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, 28, 28), dtype=np.uint8)


def as_samples(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).float() / 127.5 - 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("chunk", [1, 7, 50, 2000])
def test_nearest_neighbours_by_pixels_agree_with_a_plain_search(
    chunk: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    images = training(channels=channels)
    samples = as_samples(np.random.default_rng(1).integers(0, 256, (4, channels, 28, 28), dtype=np.uint8))
    found = nearest_by_pixels(samples, images)
    real = images.reshape(len(images), -1) / 127.5 - 1
    for row, sample in enumerate(samples.double().reshape(4, -1).numpy()):
        distances = np.sqrt(((real - sample) ** 2).sum(1))
        order = np.argsort(distances)[:3]
        assert found.indices[row].tolist() == order.tolist()
        assert found.distances[row].numpy() == pytest.approx(distances[order], rel=1e-5)


def test_a_copy_is_at_distance_zero() -> None:
    images = training()
    found = nearest_by_pixels(as_samples(images[[3, 200]]), images)
    assert found.indices[:, 0].tolist() == [3, 200]
    assert found.distances[:, 0].tolist() == [0, 0]


def test_the_yardstick_is_the_distance_between_other_training_images() -> None:
    images = training(60)
    found = nearest_by_pixels(as_samples(images[:1]), images)
    real = images.reshape(60, -1) / 127.5 - 1
    apart = np.sqrt(((real[:, None] - real[None]) ** 2).sum(2))
    np.fill_diagonal(apart, np.inf)
    assert found.among_real == pytest.approx(np.sort(apart.min(1))[29], rel=1e-5)


def test_nearest_neighbours_by_features_use_the_judges_network(tmp_path: Path) -> None:
    images, extractor = training(40), DigitsGarments()
    array = DataArray("noise", images, "f" * 64, "none")
    features = features_of(array, extractor, tmp_path)
    assert features is not None
    expected = extractor(torch.from_numpy(images))[0]
    torch.testing.assert_close(torch.from_numpy(np.array(features)), expected)
    samples = as_samples(training(44)[40:])
    found = nearest_by_features(samples, features, extractor)
    apart = torch.cdist(extractor(torch.from_numpy(training(44)[40:]))[0].double(), expected.double())
    assert torch.equal(found.indices, apart.argsort(1)[:, :3])
    torch.testing.assert_close(found.distances.double(), apart.sort(1).values[:, :3], rtol=1e-4, atol=1e-4)


def test_features_are_computed_once_and_only_up_to_a_limit(tmp_path: Path) -> None:
    extractor = DigitsGarments()
    array = DataArray("noise", training(40), "f" * 64, "none")
    assert features_of(array, extractor, tmp_path, 39 * extractor.width) is None
    assert not list(tmp_path.rglob("*.npy"))
    assert features_of(array, extractor, tmp_path, 40 * extractor.width) is not None
    (path,) = tmp_path.rglob("*.npy")
    written = path.stat().st_mtime_ns
    assert features_of(array, extractor, tmp_path, 0) is not None
    assert path.stat().st_mtime_ns == written
    # a damaged file is made anew
    path.write_bytes(path.read_bytes()[:200])
    again = features_of(array, extractor, tmp_path)
    assert again is not None
    assert again.shape == (40, extractor.width)
