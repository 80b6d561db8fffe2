import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import load
from bench.datasets.points import Grid25, Ring8

ROOT = Path(__file__).parents[3]
NOWHERE = Path("absent")
# name: the papers' centres and standard deviation, and the constant that points are multiplied by
PUBLISHED = {
    "ring-8": ([(np.cos(2 * np.pi * i / 8), np.sin(2 * np.pi * i / 8)) for i in range(8)], 0.01, 0.8),
    "grid-25": ([(-4 + 2 * i, -4 + 2 * j) for i in range(5) for j in range(5)], 0.05, 1 / 5),
}
HASHES = {
    "ring-8": "0ff127aed53adec6aeabaa283b3702be9190c8cdc6a73f4846ca0c8c40b30687",
    "grid-25": "8f0069b980409034190b451ff2538c14367bff5a76da033b7b77d73841564d60",
}


def read(name):
    return load(name, image_size=None, channels=None, data_root=NOWHERE, cache=NOWHERE)


@pytest.fixture(params=sorted(PUBLISHED))
def name(request):
    return request.param


@pytest.fixture
def of_mode(name):
    """The points by the centre that is nearest, and the index of that centre."""
    array = read(name)
    distances = np.linalg.norm(array.samples[:, None].astype(np.float64) - array.modes.centres, axis=-1)
    nearest = distances.argmin(axis=1)
    return [array.samples[nearest == mode].astype(np.float64) for mode in range(len(array.modes.centres))]


def test_centres_and_deviation_are_the_papers_scaled(name):
    centres, deviation, scale = PUBLISHED[name]
    modes = read(name).modes
    assert modes.centres.dtype == np.float64
    np.testing.assert_allclose(modes.centres, scale * np.array(centres), atol=1e-15)
    assert modes.deviation == pytest.approx(scale * deviation)


def test_points_are_float32_within_minus_one_and_one(name):
    array = read(name)
    assert array.samples.shape == (50_000, 2)
    assert array.samples.dtype == np.float32
    assert not array.samples.flags.writeable
    assert abs(array.samples).max() < 0.9


def test_every_mode_has_the_same_number_of_samples(of_mode):
    assert {len(points) for points in of_mode} == {50_000 // len(of_mode)}


def test_each_mode_has_the_moments_of_its_gaussian(name, of_mode):
    modes = read(name).modes
    for centre, points in zip(modes.centres, of_mode, strict=True):
        count = len(points)
        # within four standard errors of each estimate, under 50 centres twice
        assert abs(points.mean(axis=0) - centre).max() < 4 * modes.deviation / np.sqrt(count)
        covariance = np.cov(points, rowvar=False) / modes.deviation**2
        assert abs(np.diag(covariance) - 1).max() < 4 * np.sqrt(2 / count)
        assert abs(covariance[0, 1]) < 4 / np.sqrt(count)


def test_points_of_a_mode_are_normal(name, of_mode):
    from scipy.stats import kstest

    modes = read(name).modes
    every = np.concatenate([points - c for c, points in zip(modes.centres, of_mode, strict=True)])
    assert kstest(every.ravel() / modes.deviation, "norm").pvalue > 0.01


def test_the_first_points_are_of_one_mode_after_the_other(name):
    array = read(name)
    modes = array.modes.centres
    offsets = array.samples[: len(modes)] - modes
    assert abs(offsets).max() < 6 * array.modes.deviation


def test_the_bytes_are_the_same_each_time_and_everywhere(name):
    array = read(name)
    assert array.hash == HASHES[name]
    shape = json.dumps([50_000, 2]).encode()
    assert hashlib.sha256(shape + array.samples.tobytes()).hexdigest() == array.hash


def test_another_process_draws_the_same():
    code = """
from pathlib import Path
from bench.datasets import load
print(load("ring-8", image_size=None, channels=None, data_root=Path("absent"), cache=Path("absent")).hash)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == HASHES["ring-8"]


def test_the_transform_names_the_scale():
    assert "times 0.8" in Ring8.transform
    assert "over 5" in Grid25.transform
    assert read("ring-8").transform == Ring8.transform
