"""The shipped network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from train_digits_garments import accuracy, read_split
from train_objects import Labelled
from train_objects import accuracy as accuracy_of_objects

from bench.datasets.cifar10 import Cifar10
from bench.judging.extractors.images import DigitsGarments, Objects
from bench.judging.networks import DigitsGarmentsNetwork, ObjectsNetwork
from bench.judging.networks.feature_network import load, save
from bench.system.errors import WorkError


def test_the_shipped_network_classifies_digits_and_garments(
    shipped: DigitsGarments, shared_data: Path
) -> None:
    network = load(DigitsGarmentsNetwork).network
    for dataset, kind, least in (("MNIST", "digits", 0.985), ("FashionMNIST", "garments", 0.85)):
        found = accuracy(network, read_split(shared_data, dataset, "t10k"))
        assert found >= least
        assert found == pytest.approx(shipped.record["accuracy"][kind], abs=0.01)


def test_the_shipped_file_is_small_and_has_a_record(shipped: DigitsGarments) -> None:
    path = DigitsGarmentsNetwork.shipped_weights
    assert path.stat().st_size < 500_000
    assert shipped.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert shipped.record["class_names"] == list(DigitsGarmentsNetwork.class_names)
    assert len(shipped.record["training_data"]) == 3
    assert (shipped.name, shipped.metric, shipped.width) == ("digits-garments", "fd_digits_garments", 64)


def test_features_do_not_depend_on_the_batch_or_on_mixed_precision(
    shipped: DigitsGarments, some_digits: np.ndarray
) -> None:
    images = torch.from_numpy(some_digits[:300])
    features, probabilities, *_ = shipped(images)
    assert probabilities is not None
    assert features.shape == (300, 64)
    assert features.dtype == torch.float32
    assert probabilities.shape == (300, 20)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(300))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        alone = torch.cat([shipped(image[None])[0] for image in images[:5]])
    torch.testing.assert_close(alone, features[:5], rtol=1e-4, atol=1e-4)


def test_other_sizes_are_resized(shipped: DigitsGarments, some_digits: np.ndarray) -> None:
    images = torch.from_numpy(some_digits)
    bigger = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    same = shipped(images)[1].argmax(1) == shipped(bigger)[1].argmax(1)
    assert same.double().mean() > 0.97


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 28, 28), torch.zeros(2, 3, 28, 28, dtype=torch.uint8), torch.zeros(28, 28).byte()],
)
def test_images_of_another_kind_are_refused(shipped: DigitsGarments, images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="digits-garments takes uint8 images"):
        shipped(images)


def test_a_broken_network_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    for content in (b"", b"nothing of the kind", DigitsGarmentsNetwork.shipped_weights.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(WorkError, match="broken.safetensors holds no usable feature network") as caught:
            DigitsGarments(path)
        assert "\n" not in str(caught.value)


def test_another_network_has_another_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save(DigitsGarmentsNetwork().eval(), {}, path)
    mine = DigitsGarments(path)
    assert mine.metric == f"fd_digits_garments_{mine.hash[:8]}"


def test_the_shipped_colour_network_classifies_photographs(objects: Objects, some_objects: Labelled) -> None:
    network = load(ObjectsNetwork).network
    found = accuracy_of_objects(network, some_objects)
    assert found >= 0.89  # of 2,500 images: two standard errors below 0.90
    assert found == pytest.approx(objects.record["accuracy"]["objects"], abs=0.015)
    assert objects.record["accuracy"]["objects"] >= 0.90


def test_the_shipped_colour_file_is_small_and_has_a_record(objects: Objects) -> None:
    path = ObjectsNetwork.shipped_weights
    assert path.stat().st_size < 2_000_000
    assert objects.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert objects.record["class_names"] == list(Cifar10.published_classes)
    assert len(objects.record["training_data"]) == 5
    assert (objects.name, objects.metric, objects.width) == ("objects", "fd_objects", 128)


def test_the_shipped_network_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, torch; from pathlib import Path; from bench.judging import extractors, judge, reference;"
        "extractors.images.DigitsGarments()(torch.zeros(2, 1, 32, 32, dtype=torch.uint8));"
        "heavy = ('torchvision', 'torchmetrics', 'torch_fidelity', 'pandas', 'timm');"
        "print([name for name in heavy if name in sys.modules])"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
