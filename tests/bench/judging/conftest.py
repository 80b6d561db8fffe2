"""Real digits, the folder of real images, and Inception files with random weights."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import train_objects
from PIL import Image
from train_digits_garments import Labelled, read_mnist_5k

from bench.judging.extractors.images import DigitsGarments, Objects
from bench.judging.extractors.inception_weights import packaged_path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(__file__).parents[4] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def digits() -> Labelled:
    return read_mnist_5k()


@pytest.fixture(scope="session")
def some_digits(digits: Labelled) -> np.ndarray:
    """1,000 digits uint8 (N, 1, 28, 28), 100 of each."""
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    rows = [order[digits.labels[order] == digit][:100] for digit in range(10)]
    return digits.images[torch.cat(rows)].numpy()


@pytest.fixture(scope="session")
def shipped() -> DigitsGarments:
    return DigitsGarments()


@pytest.fixture(scope="session")
def objects() -> Objects:
    return Objects()


@pytest.fixture(scope="session")
def some_objects() -> train_objects.Labelled:
    """2,500 test images of CIFAR-10 with their classes."""
    folder = Path(__file__).parents[4] / "shared" / "datasets" / "cifar10"
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} is not there")
    mosaic = torch.from_numpy(np.asarray(Image.open(folder / "test-0.webp").convert("RGB")).copy())
    images = mosaic.unflatten(0, (50, 32)).unflatten(2, (50, 32)).permute(0, 2, 4, 1, 3).flatten(0, 1)
    labels = [int(digit) for digit in (folder / "test-0.labels").read_text().strip()]
    return train_objects.Labelled(images.contiguous(), torch.tensor(labels), {})


@pytest.fixture(scope="session")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file of Inception weights drawn from a seed: right in form, not the published ones."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object, **__: object) -> None:  # keeps the weights just drawn
            pass

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Unloaded("inception-v3-compat", ["2048"], feature_extractor_weights_path=nothing)
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def inception_package() -> Path:
    """Give the Inception file that the package of the extra `inception` brings."""
    path = packaged_path()
    if path is None:
        pytest.skip("the extra inception is not installed")
    return path


@pytest.fixture(scope="session")
def photographs() -> np.ndarray:
    """500 colour images uint8 (N, 3, 32, 32): of CIFAR-10 where there are some, else smooth made ones."""
    mosaic = Path(__file__).parents[4] / "shared" / "datasets" / "cifar10" / "test-0.webp"
    if mosaic.is_file():
        pixels = np.asarray(Image.open(mosaic).convert("RGB"))[: 10 * 32]
        return np.ascontiguousarray(
            pixels.reshape(10, 32, 50, 32, 3).transpose(0, 2, 4, 1, 3).reshape(500, 3, 32, 32)
        )
    coarse = torch.rand(500, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic", antialias=True)
    return (fine * 255).clamp(0, 255).byte().numpy()
