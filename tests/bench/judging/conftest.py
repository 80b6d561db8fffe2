"""Real digits, the folder of real images, and Inception files with random weights."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from train_feature_network import Labelled, read_mnist_5k

from bench.judging.extractors.images import DigitsGarments


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
