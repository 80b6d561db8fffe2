"""Which network judges, under which name."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train_digits_garments import accuracy, read_split
from train_objects import Labelled
from train_objects import accuracy as accuracy_of_objects

from bench.datasets import KnownModes
from bench.datasets.cifar10 import Cifar10
from bench.judging import extractors
from bench.judging.extractors import images as image_extractors
from bench.judging.extractors.images import INCEPTION_FILES, DigitsGarments, Inception, Objects
from bench.judging.networks import DigitsGarmentsNetwork, ObjectsNetwork
from bench.judging.networks.feature_network import load, save
from bench.system.errors import WorkError


@pytest.fixture(autouse=True)
def _no_weights_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


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


def test_grey_images_without_inception_get_the_shipped_network_and_never_its_name(tmp_path: Path) -> None:
    chosen = Inception.create(1, tmp_path)
    assert chosen.metric == "fd_digits_garments"


def test_coloured_images_without_inception_are_judged_by_the_shipped_network_for_colour(
    tmp_path: Path,
) -> None:
    for kind in (Inception, DigitsGarments):
        assert kind.create(3, tmp_path).metric == "fd_objects"


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


@pytest.mark.parametrize("folder", ["weights", "hub/checkpoints"])
@pytest.mark.parametrize("name", INCEPTION_FILES)
def test_a_file_that_only_has_the_published_name_is_refused(tmp_path: Path, folder: str, name: str) -> None:
    path = tmp_path / folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the published file")
    with pytest.raises(WorkError, match=r"is not the published file: its sha256 begins \w{8}, not 6726825d"):
        Inception.create(1, tmp_path)
    row = extractors.availability(tmp_path)[0]
    assert not row.present
    assert row.path == str(path)
    assert "not the published file" in row.note


def test_availability_without_inception(tmp_path: Path, shipped: DigitsGarments) -> None:
    inception, small, colour, stacked, points = extractors.availability(tmp_path)
    assert (inception.metric, inception.present, inception.hash) == ("fid", False, None)
    assert str(tmp_path / "weights") in inception.note
    assert len(inception.searched) == 4
    assert (small.metric, small.present, small.hash) == ("fd_digits_garments", True, shipped.hash)
    assert (colour.metric, colour.present) == ("fd_objects", True)
    assert (stacked.name, stacked.metric, stacked.path) == ("stacked-digits", "fd_stacked_digits", small.path)
    assert (points.name, points.metric, points.present, points.path) == ("points", "fd_points", True, "")


@pytest.mark.parametrize(
    ("judged_by", "preferred", "metric"),
    [
        ("images", "shipped", "fd_digits_garments"),
        ("images", "inception", "fd_digits_garments"),
        ("stacked-digits", "inception", "fd_stacked_digits"),
        ("points", "inception", "fd_points"),
    ],
)
def test_every_kind_of_samples_has_its_judge(
    judged_by: Any, preferred: Any, metric: str, tmp_path: Path
) -> None:
    modes = KnownModes(np.zeros((3, 2)), 0.1)
    found = extractors.extractor_for(judged_by, tmp_path, channels=1, modes=modes, preferred=preferred)
    assert found.metric == metric
    assert metric in [row.metric for row in extractors.availability(tmp_path)]


def test_the_preferred_network_comes_first(random_inception: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(random_inception.read_bytes()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_extractors, "PUBLISHED_PREFIX", digest[:8])
        (tmp_path / "weights").mkdir()
        shutil.copy(random_inception, tmp_path / "weights" / INCEPTION_FILES[0])
        for metric, preferred in extractors.names_by_metric().items():
            channels = 3 if metric == "fd_objects" else 1
            found = extractors.extractor_for("images", tmp_path, channels=channels, preferred=preferred)
            assert found.metric == metric


def test_random_weights_by_path_are_not_called_fid(random_inception: Path) -> None:
    network = Inception(random_inception)
    assert network.hash == hashlib.sha256(random_inception.read_bytes()).hexdigest()
    assert network.metric == f"fd_inception_{network.hash[:8]}"
    assert network.name == f"inception-{network.hash[:8]}"
    features, probabilities, *_ = network(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    assert probabilities is not None
    assert features.shape == (2, 2048)
    assert probabilities.shape == (2, 1008)


def test_only_the_published_hash_is_called_fid(
    random_inception: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(random_inception.read_bytes()).hexdigest()
    # as if this were the published file
    monkeypatch.setattr(image_extractors, "PUBLISHED_PREFIX", digest[:8])
    (tmp_path / "weights").mkdir()
    shutil.copy(random_inception, tmp_path / "weights" / INCEPTION_FILES[1])
    chosen = Inception.create(1, tmp_path)
    assert (chosen.metric, chosen.name) == ("fid", "inception-2015-12-05")
    row = extractors.availability(tmp_path)[0]
    assert (row.present, row.hash, row.note) == (True, digest, "")


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    path = tmp_path / "evil.pth"
    torch.save({"weights": Payload()}, path)
    with pytest.raises(WorkError, match="evil.pth holds no Inception weights"):
        Inception(path)
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(WorkError, match="evil.pth holds no Inception weights"):
        Inception(path)
    assert not (tmp_path / "ran").exists()


def test_fetching_happens_only_when_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    asked = []

    def refuse(url: str, path: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url, Path(path), hash_prefix))
        raise OSError("no network here")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    assert Inception.create(1, tmp_path).metric == "fd_digits_garments"
    assert not asked
    assert Inception.create(1, tmp_path, allow_download=True).metric == "fd_digits_garments"
    assert Inception.create(3, tmp_path, allow_download=True).metric == "fd_objects"
    assert asked == [(URL_INCEPTION_V3, tmp_path / "weights" / INCEPTION_FILES[0], "6726825d")] * 2


def test_the_shipped_network_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, torch; from pathlib import Path; from bench.judging import extractors, judge, reference;"
        "extractors.images.DigitsGarments()(torch.zeros(2, 1, 32, 32, dtype=torch.uint8));"
        "heavy = ('torchvision', 'torchmetrics', 'torch_fidelity', 'pandas');"
        "print([name for name in heavy if name in sys.modules])"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
