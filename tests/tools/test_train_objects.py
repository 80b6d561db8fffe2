"""The training script of the colour network on a handful of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from train_objects import FOLDER, ROW, TEST, TRAINING, augment, main, read, standardise

from bench.judging.networks import ObjectsNetwork
from bench.judging.networks.feature_network import load

COUNT = 20  # images in a file


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """Files in CIFAR-10's binary layout, of noise."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / FOLDER
    folder.mkdir(parents=True)
    for name in (*TRAINING, *TEST):
        rows = rng.integers(0, 256, (COUNT, ROW), dtype=np.uint8)
        rows[:, 0] = np.arange(COUNT) % 10
        (folder / name).write_bytes(rows.tobytes())
    return folder.parent


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_training_runs_through_and_gives_the_same_bytes_twice(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    for file in files:
        torch.rand(3)  # what was drawn before must not matter
        words = ["--data-root", str(tiny_data), "--out", str(file), "--epochs", "2", "--threads", "1"]
        assert main(words) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "of 20 held-out images" in capsys.readouterr().out
    found = load(ObjectsNetwork, files[0])
    assert found.record["settings"]["epochs"] == 2  # type: ignore[index,call-overload]
    assert set(found.record["training_data"]) == {f"{FOLDER}/{name}" for name in TRAINING}  # type: ignore[arg-type]
    assert all(weight.dtype == torch.float32 for weight in found.network.parameters())


def test_missing_or_truncated_data_is_reported_in_one_line(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["--data-root", str(tmp_path), "--out", str(out)]) == 2
    assert f"must hold {FOLDER}" in capsys.readouterr().err
    broken = tiny_data / FOLDER / TEST[0]
    broken.write_bytes(broken.read_bytes()[:-1])
    assert main(["--data-root", str(tiny_data), "--out", str(out)]) == 1
    assert "cut short" in capsys.readouterr().err
    broken.write_bytes((tiny_data / FOLDER / TRAINING[0]).read_bytes())
    assert main(["--data-root", str(tiny_data), "--out", str(out)]) == 1
    assert "are among the training images" in capsys.readouterr().err
    assert not out.exists()


def test_reading_keeps_colours_and_labels(tiny_data: Path) -> None:
    data = read(tiny_data, TRAINING)
    first = (tiny_data / FOLDER / TRAINING[1]).read_bytes()[:ROW]
    assert int(data.labels[COUNT]) == first[0]
    np.testing.assert_array_equal(data.images[COUNT].numpy().ravel(), np.frombuffer(first[1:], np.uint8))


def test_standardising_changes_features_and_no_score(tiny_data: Path) -> None:
    data = read(tiny_data, TRAINING)
    torch.manual_seed(0)
    network = ObjectsNetwork().eval()
    with torch.inference_mode():
        images = network.to_input(data.images)
        _, before = network(images)
        standardise(network, data)
        features, after = network(images)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(network.width), rtol=0, atol=1e-3)
    torch.testing.assert_close(features.std(dim=0), torch.ones(network.width), rtol=1e-3, atol=0)


def test_augmentation_shifts_mirrors_and_cuts() -> None:
    ramp = torch.linspace(0.1, 1, 32).expand(64, 3, 32, 32)  # brighter to the right, 0 nowhere
    moved = augment(ramp, 2, 8, torch.Generator().manual_seed(0))
    assert torch.equal(moved, augment(ramp, 2, 8, torch.Generator().manual_seed(0)))
    cut = moved == 0
    assert torch.equal(cut[:, 0], cut[:, 2])
    assert cut.flatten(1).sum(dim=1).max() == 3 * 8 * 8
    uncut = augment(ramp, 2, 0, torch.Generator().manual_seed(0))
    shifts = torch.stack([(uncut[:, 0, 16] - line).abs().amax(dim=1) for line in _lines(ramp[0, 0, 16])])
    assert torch.equal(shifts.amin(dim=0), torch.zeros(64))
    assert len(set(shifts.argmin(dim=0).tolist())) == 10  # five shifts, mirrored or not


def _lines(line: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield a line of pixels shifted by up to 2, with mirrored edges, as it is and mirrored."""
    padded = np.pad(line.numpy(), 2, mode="reflect")
    for start in range(5):
        shifted = torch.from_numpy(padded[start : start + 32].copy())
        yield shifted
    mirrored = np.pad(line.flip(0).numpy(), 2, mode="reflect")
    for start in range(5):
        yield torch.from_numpy(mirrored[start : start + 32].copy())
