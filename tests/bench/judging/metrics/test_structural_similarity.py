"""Structural similarity of images whose similarity is known, and of a sampler's pairs."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from bench.judging.metrics.structural_similarity import of_samples, scales, structural_similarity
from bench.system.errors import RequestError


@pytest.mark.parametrize("side", [11, 28, 44, 176])
@pytest.mark.parametrize("channels", [1, 3])
def test_equal_images_are_wholly_similar(side: int, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, channels, side, side), dtype=np.uint8)
    np.testing.assert_allclose(structural_similarity(images, images), 1.0, atol=1e-6)


def test_flat_images_differ_by_their_luminance_alone() -> None:
    dark, bright = (np.full((1, 1, 16, 16), value, dtype=np.uint8) for value in (51, 153))
    luminance = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert structural_similarity(dark, bright) == pytest.approx(luminance, abs=1e-4)  # float32


def test_opposite_images_are_not_similar_at_all() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 32, 32), dtype=np.uint8)
    np.testing.assert_array_equal(structural_similarity(images, 255 - images), 0.0)


def test_noise_lowers_the_similarity() -> None:
    rng = np.random.default_rng(0)
    images = np.kron(rng.integers(60, 190, (1, 1, 8, 8)), np.ones((4, 4)))
    noise = rng.normal(size=images.shape)
    found = [
        float(structural_similarity(images.astype(np.uint8), (images + size * noise).astype(np.uint8))[0])
        for size in (0, 5, 15, 40)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(1.0)
    assert found[-1] < 0.9


def test_many_pairs_score_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 40, 3, 64, 64), dtype=np.uint8)
    second = (0.7 * first + 0.3 * second).astype(np.uint8)
    together = structural_similarity(first, second)
    alone = [structural_similarity(first[i : i + 1], second[i : i + 1])[0] for i in range(40)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("side", "expected"), [(11, 1), (21, 1), (22, 2), (44, 3), (98, 3), (99, 4), (176, 5), (999, 5)]
)
def test_as_many_scales_as_hold_the_window(side: int, expected: int) -> None:
    assert scales(side) == expected


def test_too_small_images_are_refused() -> None:
    with pytest.raises(RequestError, match="image_size 10 is too small to be judged: allowed is 11 or more"):
        scales(10)


def test_the_first_half_of_the_images_is_paired_with_the_second() -> None:
    rng = np.random.default_rng(0)
    half = rng.integers(0, 256, (4, 1, 16, 16), dtype=np.uint8)
    odd = np.zeros((1, 1, 16, 16), dtype=np.uint8)
    inputs = SimpleNamespace(generated_images=np.concatenate([half, half, odd]))
    assert of_samples(inputs) == pytest.approx(1.0)


def test_torchmetrics_is_not_imported_before_the_first_measurement() -> None:
    """The import takes seconds, which no command and no first step should wait for."""
    code = "import sys; import bench.judging.judge; sys.exit('torchmetrics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
