"""Trained generators: loaded, sampled, interpolated and exported."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.runs import record
from bench.runs.export import check, export
from bench.runs.generator import CHUNK, load
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, WorkError
from variants.noise import Noise
from variants.registry import all_variants

VARIANTS = sorted(all_variants())


@pytest.fixture(scope="module")
def runs(small: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunFolder]]:
    """A tiny run of every variant, trained when first asked for."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("runs")

        class Lazily(dict[str, RunFolder]):
            def __missing__(self, name: str) -> RunFolder:
                with pytest.MonkeyPatch.context() as inner:
                    inner.setenv("BENCH_HOME", str(home))
                    self[name] = small.run(small.tiny(name, steps=6)).run
                return self[name]

        patch.setenv("BENCH_HOME", str(home))
        yield Lazily()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_weights_are_those_of_the_checkpoint(name: str, runs: dict[str, RunFolder]) -> None:
    from bench.runs import checkpoint

    run = runs[name]
    trained = load(run, "last")
    assert trained.step == 6
    assert trained.sample_shape == (1, *(run.describe().config.image_size,) * 2)
    saved = checkpoint.read(run.checkpoints / "step-00000006.safetensors")
    averaged = {
        f"{network}.{key.removeprefix('module.')}": value
        for network, average in saved["averages"].items()
        for key, value in average.items()
        if key.startswith("module.")
    }
    kept = saved["variant"] | averaged
    state = trained.variant.state_dict()
    assert list(state) == list(kept)
    assert all(torch.equal(state[key], kept[key]) for key in kept)
    assert not any(module.training for module in trained.variant.modules())


def test_a_run_on_a_folder_is_loaded_where_the_folder_is_gone(
    runs: dict[str, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs["began"]
    described = run.describe()
    config = described.config.model_copy(update={"dataset": f"folder:{tmp_path / 'gone'}"})
    monkeypatch.setattr(RunFolder, "describe", lambda _: described.model_copy(update={"config": config}))
    assert load(run, "last").sample_shape == (1, 28, 28)


def test_the_moving_average_is_what_is_loaded(small: SimpleNamespace) -> None:
    from bench.runs import checkpoint

    run = small.run(small.tiny("began", steps=4, ema_decay=0.9)).run
    average = checkpoint.read(run.checkpoints / "step-00000004.safetensors")["averages"]["generator"]
    for name, value in load(run, "last").generator.state_dict().items():
        assert torch.equal(value, average[f"module.{name}"])


@pytest.mark.parametrize("word", ["best", "best-M", "last", "4"])
def test_a_checkpoint_is_named_by_what_it_is(word: str, runs: dict[str, RunFolder]) -> None:
    run = runs["began"]
    end = record.read(run.record_path).end
    assert end is not None
    best = end.best
    steps = {
        "best": best[f"{run.describe().metric}_best_step"],
        "best-M": best["M_best_step"],
        "last": 6,
        "4": 4,
    }
    assert load(run, word).step == steps[word]


@pytest.mark.parametrize(("name", "word"), [("began", "5"), ("began", "bst"), ("wgan-gp", "best-M")])
def test_a_checkpoint_that_does_not_exist_is_refused(
    name: str, word: str, runs: dict[str, RunFolder]
) -> None:
    with pytest.raises(RequestError, match=rf"{word}.*best"):
        load(runs[name], word)


def test_a_run_is_loaded_by_what_a_user_types(small: SimpleNamespace) -> None:
    run = small.run(small.tiny("began", steps=2)).run
    for word in ("last", run.id, run.id[:7], run.describe().name):
        assert load(word).run.path == run.path
    with pytest.raises(RequestError, match="does not exist"):
        load("nothing")


@pytest.mark.parametrize("name", VARIANTS)
def test_samples_repeat_and_stay_in_range(name: str, runs: dict[str, RunFolder]) -> None:
    trained = load(runs[name])
    torch.manual_seed(3)
    first = trained.sample(9, seed=5)
    torch.manual_seed(4)
    assert torch.equal(first, load(runs[name]).sample(9, seed=5))
    assert not torch.equal(first, trained.sample(9, seed=6))
    assert first.shape == (9, *trained.sample_shape)
    assert first.dtype == torch.float32
    assert first.abs().max() <= 1
    assert not first.requires_grad


def test_loading_and_sampling_leave_torchs_random_state(runs: dict[str, RunFolder]) -> None:
    run = runs["began-resnet18"]
    before = torch.get_rng_state()
    load(run).sample(3)
    assert torch.equal(before, torch.get_rng_state())


def test_more_samples_begin_with_fewer(runs: dict[str, RunFolder]) -> None:
    trained = load(runs["began"])
    many = trained.latents(CHUNK + 8)
    for count in (0, 1, 9, CHUNK, CHUNK + 1):
        assert torch.equal(trained.latents(count), many[:count])
    torch.testing.assert_close(trained.sample(5), trained.sample(CHUNK + 8)[:5])
    assert not torch.equal(many[:8], many[CHUNK:])


def test_latents_are_of_the_variants_prior(small: SimpleNamespace, runs: dict[str, RunFolder]) -> None:
    uniform = load(runs["began"]).latents(2000)
    assert uniform.shape == (2000, 6)
    assert 0.99 < uniform.abs().max() <= 1
    assert uniform.var() == pytest.approx(1 / 3, rel=0.05)
    normal = load(runs["wgan-gp"]).latents(2000)
    assert normal.var() == pytest.approx(1, rel=0.05)
    drawn = load(runs["began"]).variant.draw_latent(Noise(0, 0, torch.device("cpu")), 4, "sample latent")
    assert torch.equal(uniform[:4], drawn)


@pytest.mark.parametrize("name", VARIANTS)
def test_images_are_reconstructed_in_chunks(name: str, runs: dict[str, RunFolder]) -> None:
    trained = load(runs[name])
    images = torch.rand((CHUNK + 3, *trained.sample_shape)) * 2 - 1
    found = trained.reconstruct(images)
    with torch.no_grad():
        expected = trained.variant.reconstruct(images[-3:])
    if expected is None:
        assert found is None
        assert trained.interpolate_images(images[:2], images[2:4], 3) is None
        return
    assert found is not None
    torch.testing.assert_close(found[-3:], expected.clamp(-1, 1))


@pytest.mark.parametrize("path", ["linear", "slerp"])
@pytest.mark.parametrize("name", VARIANTS)
def test_interpolations_begin_and_end_at_what_they_join(
    name: str, path: str, runs: dict[str, RunFolder]
) -> None:
    trained = load(runs[name])
    latents = trained.latents(6)
    images = trained.interpolate(latents[:3], latents[3:], 5, path)
    assert images.shape == (3, 5, *trained.sample_shape)
    torch.testing.assert_close(images[:, 0], trained.generate(latents[:3]))
    torch.testing.assert_close(images[:, -1], trained.generate(latents[3:]))
    reals = torch.rand((4, *trained.sample_shape)) * 2 - 1
    decoded = trained.interpolate_images(reals[:2], reals[2:], 5, path)
    if decoded is not None:
        reconstructed = trained.reconstruct(reals)
        assert reconstructed is not None
        torch.testing.assert_close(decoded[:, 0], reconstructed[:2])
        torch.testing.assert_close(decoded[:, -1], reconstructed[2:])


def run_exported(path: Path, latents: Tensor) -> Tensor:
    if path.suffix == ".pt2":
        with torch.no_grad():
            images: Tensor = torch.export.load(path).module()(latents)
        return images
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return torch.from_numpy(session.run(["image"], {"latent": latents.numpy()})[0])


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_an_exported_generator_gives_the_same_images_at_any_batch_size(
    suffix: str, name: str, runs: dict[str, RunFolder], tmp_path: Path
) -> None:
    trained = load(runs[name])
    path = tmp_path / "deep" / f"generator{suffix}"
    trained.export(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    for count in (1, 3, 31):
        latents = trained.latents(count, seed=9)
        with torch.no_grad():
            expected = trained.generator(latents)
        torch.testing.assert_close(run_exported(path, latents), expected, rtol=0, atol=1e-4)


class Restless(nn.Module):
    """Gives other samples at every call, so that no file can equal it."""

    def forward(self, latents: Tensor) -> Tensor:
        return latents[:, :, None, None] + torch.rand(latents.shape[0], 1, 1, 1)


class Undecided(nn.Module):
    """Branches on what only a run can tell: it cannot be traced."""

    def forward(self, latents: Tensor) -> Tensor:
        return latents if latents.sum().item() > 0 else -latents


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
@pytest.mark.parametrize(("network", "message"), [(Restless, "other samples"), (Undecided, "cannot be exp")])
def test_an_export_that_is_not_the_generator_leaves_no_file(
    network: Any, message: str, suffix: str, tmp_path: Path
) -> None:
    with pytest.raises(WorkError, match=message):
        export(network(), torch.randn(5, 6), tmp_path / f"generator{suffix}")
    assert not list(tmp_path.iterdir())


def test_the_check_tells_another_generators_file(runs: dict[str, RunFolder], tmp_path: Path) -> None:
    path = tmp_path / "generator.pt2"
    one, other = load(runs["began"], "4"), load(runs["began"], "6")
    one.export(path)
    with pytest.raises(WorkError, match="a value differs by"):
        check(other.generator, other.latents(4), path)


def test_a_file_of_unknown_format_is_refused(runs: dict[str, RunFolder], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"allowed suffixes are \.pt2, \.onnx"):
        load(runs["began"]).export(tmp_path / "generator.pt")
    assert not list(tmp_path.iterdir())


def test_onnx_without_its_packages_says_what_to_install(
    runs: dict[str, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RequestError, match=r"pip install 'began-bench\[onnx\]'"):
        load(runs["began"]).export(tmp_path / "generator.onnx")
