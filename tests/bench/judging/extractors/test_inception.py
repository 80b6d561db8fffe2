"""When Inception judges, and which files it accepts under its name."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from bench.judging import extractors
from bench.judging.extractors import inception_weights
from bench.judging.extractors.images import DigitsGarments, Inception
from bench.judging.extractors.inception_weights import PUBLISHED_FILES
from bench.system.errors import WorkError


@pytest.fixture(autouse=True)
def _no_weights_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: None)


def test_grey_images_without_inception_get_the_shipped_network_and_never_its_name(tmp_path: Path) -> None:
    chosen = Inception.create(1, tmp_path)
    assert chosen.metric == "fd_digits_garments"


def test_coloured_images_without_inception_are_judged_by_the_shipped_network_for_colour(
    tmp_path: Path,
) -> None:
    for kind in (Inception, DigitsGarments):
        assert kind.create(3, tmp_path).metric == "fd_objects"


@pytest.mark.parametrize("folder", ["weights", "hub/checkpoints"])
@pytest.mark.parametrize("name", PUBLISHED_FILES)
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
    monkeypatch.setattr(inception_weights, "PUBLISHED_PREFIX", digest[:8])
    (tmp_path / "weights").mkdir()
    shutil.copy(random_inception, tmp_path / "weights" / PUBLISHED_FILES[1])
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
    assert asked == [(URL_INCEPTION_V3, tmp_path / "weights" / PUBLISHED_FILES[0], "6726825d")] * 2
