"""DINOv2 and CLIP with random weights, as timm itself would run them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from bench.cli import main
from bench.judging import extractors
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.extractors.vision_transformers import Clip, Dinov2, Dinov2Small, VisionTransformer
from bench.judging.judge import Judge
from bench.judging.reference import reference_statistics
from bench.system.errors import RequestError, WorkError

timm = pytest.importorskip("timm", reason="the extras dinov2 and clip are not installed")

SMALL = [Dinov2Small, Clip]  # of those with the same network in two sizes the small one
Make = Callable[[type[VisionTransformer]], tuple[nn.Module, Path]]


@pytest.fixture(autouse=True)
def _no_weights_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return timm's network with random weights, and their file."""
    made: dict[type[VisionTransformer], tuple[nn.Module, Path]] = {}

    def make(kind: type[VisionTransformer]) -> tuple[nn.Module, Path]:
        if kind not in made:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                network = kind.bare().eval()
            path = tmp_path_factory.mktemp("random") / kind.files[0]
            save_file(network.state_dict(), path)
            made[kind] = network, path
        return made[kind]

    return make


@pytest.mark.parametrize("kind", SMALL)
def test_features_are_timms_of_images_prepared_by_timm(
    kind: type[VisionTransformer], drawn: Make, photographs: np.ndarray
) -> None:
    network, path = drawn(kind)
    # of the published weights; the network that judges has none
    stated = timm.create_model(f"{kind.architecture}.{kind.files[0].split('.')[1]}", pretrained=False)
    settings = timm.data.resolve_model_data_config(stated) | {"input_size": (3, 224, 224), "crop_pct": 1.0}
    assert settings["interpolation"] == "bicubic"
    prepare = timm.data.create_transform(**settings)
    images = photographs[:4]
    prepared = torch.stack([prepare(Image.fromarray(image.transpose(1, 2, 0))) for image in images])
    with torch.inference_mode():
        expected = network(prepared)
    extractor = kind(path)
    found = extractor(torch.from_numpy(images))
    assert found.probabilities is None
    assert found.features.shape == (4, kind.width)
    # PIL rounds to whole brightnesses after each direction
    torch.testing.assert_close(found.features, expected, rtol=0.02, atol=0.02 * float(expected.abs().max()))


@pytest.mark.parametrize("kind", [Dinov2, *SMALL])
def test_the_network_has_as_many_features_as_promised(kind: type[VisionTransformer]) -> None:
    with torch.device("meta"):
        network = kind.bare()
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, kind.width)


def test_weights_under_the_authors_names_are_read_too(drawn: Make, tmp_path: Path) -> None:
    network, path = drawn(Dinov2Small)
    tensors = dict(network.state_dict())
    tensors["mask_token"] = torch.zeros(1, 384)
    other = tmp_path / "weights" / "dinov2_vits14_pretrain.pth"
    other.parent.mkdir()
    torch.save(tensors, other)
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    found = Dinov2Small.create(3, tmp_path)
    assert torch.equal(found(images).features, Dinov2Small(path)(images).features)
    assert found.hash != Dinov2Small(path).hash


def test_grey_images_are_those_of_three_equal_channels(drawn: Make, photographs: np.ndarray) -> None:
    extractor = Dinov2Small(drawn(Dinov2Small)[1])
    grey = torch.from_numpy(photographs[:2, :1])
    assert torch.equal(extractor(grey).features, extractor(grey.expand(-1, 3, -1, -1)).features)


def test_the_protocol_has_the_digest_of_the_file(
    drawn: Make, photographs: np.ndarray, tmp_path: Path
) -> None:
    extractor = Clip(drawn(Clip)[1])
    reference = reference_statistics(extractor, photographs[:24], "ab" * 32, "some", tmp_path)
    judge = Judge(extractor, reference, 12)
    assert judge.protocol.startswith(f"clip@{extractor.hash[:8]} 224x224 bicubic antialias")
    values = judge.measure(lambda count: iter([torch.from_numpy(photographs[24:36]) / 127.5 - 1]))
    assert values["fd_clip"] > 0
    assert not {name for name in values if "classes" in name or name.startswith("is_")}


@pytest.mark.parametrize("kind", [Dinov2, Dinov2Small, Clip])
def test_missing_weights_are_fetched_where_that_is_allowed_or_named_with_their_place(
    kind: type[VisionTransformer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(url: str, path: str, progress: bool) -> None:
        asked.append(url)
        raise OSError("no network here")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    place = tmp_path / "weights" / kind.files[0]
    advice = f"extractor {kind.name}: weights are missing: put {kind.address} at {place}"
    with pytest.raises(WorkError) as caught:
        extractors.extractor_for("images", tmp_path, channels=3, preferred=kind.name)
    assert str(caught.value) == advice
    assert not asked
    with pytest.raises(WorkError, match=r"weights are missing \(fetching failed: no network here\): put"):
        kind.create(3, tmp_path, allow_download=True)
    assert asked == [kind.address]
    row = next(row for row in extractors.availability(tmp_path) if row.name == kind.name)
    assert (row.present, row.path, row.hash) == (False, str(place), None)
    assert row.note == f"not found: put {kind.address} at {place}"


def test_fetched_weights_lie_in_the_cache(
    drawn: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, source = drawn(Clip)

    def fetch(url: str, path: str, progress: bool) -> None:
        Path(path).write_bytes(source.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert Clip.create(3, tmp_path, allow_download=True).hash == Clip(source).hash
    row = next(row for row in extractors.availability(tmp_path) if row.name == "clip")
    assert (row.present, row.note) == (True, "")


def test_other_weights_and_pickles_are_refused_in_one_line(drawn: Make, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return (Path.touch, (tmp_path / "ran",))

    with pytest.raises(WorkError, match=f"holds no weights of {Clip.architecture}") as caught:
        Clip(drawn(Dinov2Small)[1])
    assert "\n" not in str(caught.value)
    for name, content in (
        ("evil.pth", pickle.dumps(Payload())),
        ("evil.safetensors", b"nothing of the kind"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WorkError, match=f"{name} holds no weights of {Clip.architecture}"):
            Clip(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_missing_package_is_named_with_its_command_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_HOME", str(tmp_path))
    monkeypatch.setattr(VisionTransformer, "modules", ("no_such_module",))
    words = "needs no_such_module: pip install 'began-bench[clip]'"
    assert main(["run", "--variant", "began", "--set", "extractor=clip", "--steps", "2"]) == 2
    assert capsys.readouterr().err.strip() == f"bench: extractor clip: {words}"
    assert not list(tmp_path.iterdir())
    with pytest.raises(RequestError, match="extractor clip: needs no_such_module"):
        extractors.extractor_for("images", tmp_path, channels=3, preferred="clip")
    row = next(row for row in extractors.availability(tmp_path) if row.name == "clip")
    assert (row.present, row.note) == (False, words)
    assert EXTRACTORS.entries()["shipped"].missing() == ""
