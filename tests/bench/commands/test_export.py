"""``bench export``: the file, what the file says of itself, and the lines that run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from bench.cli import cli
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder
from variants.noise import Noise
from variants.registry import VARIANTS, register
from variants.wgan_gp import WganGp

SUFFIXES = pytest.mark.parametrize("suffix", [".pt2", ".onnx"])


class Spherical(WganGp):
    """A variant with latents on a sphere, which no draw of noise is."""

    name = "spherical"

    def draw_latent(self, noise: Noise, count: int, purpose: str = "latent") -> Tensor:
        latents = super().draw_latent(noise, count, purpose)
        return latents / latents.norm(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def runs(
    small: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory, cache_folder: Path
) -> Iterator[dict[str, RunFolder]]:
    """Tiny runs with images, points, classes, and latents of a distribution of their own."""
    with pytest.MonkeyPatch.context() as patch, VARIANTS.restored():
        patch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("exported")))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        register(Spherical)
        points = {"preset": "points", "dataset": "ring-8"}
        wanted = {
            "images": small.tiny("began", steps=2),
            "points": small.tiny("began", steps=2, layers="points", **points),
            "classes": small.tiny("cgan", steps=2),
            "own": small.tiny("spherical", steps=2),
        }
        yield {name: small.run(configuration).run for name, configuration in wanted.items()}


@dataclass(frozen=True)
class Exported:
    """A file, and what the command printed."""

    run: RunFolder
    path: Path
    text: str

    @property
    def snippet(self) -> str:
        return "\n".join(self.text.splitlines()[-4:])

    def metadata(self) -> dict[str, str]:
        """What the file says of itself, read without this package."""
        if self.path.suffix == ".onnx":
            import onnx

            return {each.key: each.value for each in onnx.load(self.path).metadata_props}
        files = {"generator.json": ""}
        torch.export.load(self.path, extra_files=files)
        found: dict[str, str] = json.loads(files["generator.json"])
        return found


def export(run: RunFolder, path: Path, *options: str) -> str:
    """What the command prints."""
    home = CliRunner(env={"BENCH_HOME": str(run.path.parents[2])})
    done = home.invoke(cli, ["export", run.id, "--out", str(path), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def exported(
    runs: dict[str, RunFolder], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Exported]:
    """The file of a run, by kind and suffix, exported when first asked for."""
    folder = tmp_path_factory.mktemp("files")

    @cache
    def exported(kind: str, suffix: str) -> Exported:
        path = folder / f"{kind}{suffix}"
        return Exported(runs[kind], path, export(runs[kind], path))

    return exported


@SUFFIXES
@pytest.mark.parametrize("kind", ["images", "points", "classes", "own"])
def test_the_printed_lines_run_the_file_and_give_the_generators_samples(
    kind: str, suffix: str, exported: Callable[[str, str], Exported], capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported(kind, suffix)
    trained = load(file.run)
    names: dict[str, object] = {}
    capsys.readouterr()
    exec(file.snippet, names)
    samples = torch.as_tensor(names["points" if kind == "points" else "images"])
    latents = torch.as_tensor(names["z"]) if kind != "own" else trained.latents(16)
    assert latents.shape == (16, trained.latents(1).shape[1])
    torch.testing.assert_close(samples, trained.generate(latents), rtol=0, atol=1e-4)
    shape = f"({', '.join(map(str, samples.shape))})"
    assert shape in file.snippet.splitlines()[-1]
    # other programs run in silence, and the reader needs a sign that the lines did something
    assert capsys.readouterr().out.replace("torch.Size([", "(").replace("])", ")") == f"{shape}\n"


@SUFFIXES
def test_the_printed_latents_have_the_distribution_of_the_prior(
    suffix: str, exported: Callable[[str, str], Exported]
) -> None:
    names: dict[str, object] = {}
    exec(exported("classes", suffix).snippet, names)
    z = torch.as_tensor(names["z"])
    assert torch.equal(z[:, 6:], torch.eye(10)[torch.arange(16) % 10])
    assert z[:, :6].abs().max() > 1
    exec(exported("images", suffix).snippet, names)
    z = torch.as_tensor(names["z"])
    assert -1 <= z.min() < 0 < z.max() < 1


@SUFFIXES
def test_the_file_says_where_it_is_from_and_what_it_maps(
    suffix: str, exported: Callable[[str, str], Exported]
) -> None:
    file = exported("images", suffix)
    found = file.metadata()
    assert found.pop("producer").startswith("began-bench ")
    assert found == {
        "variant": "began",
        "run": file.run.describe().name,
        "run_id": file.run.id,
        "dataset": "mnist-5k",
        "step": "2",
        "input": "latent",
        "output": "image",
        "latent_dim": "6",
        "latent_prior": "6 columns U[-1, 1)",
        "sample_shape": "[1, 28, 28]",
        "value_range": "[-1, 1]",
    }


@SUFFIXES
def test_the_file_names_classes_and_values_without_bounds(
    suffix: str, exported: Callable[[str, str], Exported]
) -> None:
    found = exported("classes", suffix).metadata()
    assert json.loads(found["classes"]) == [f"digit {number}" for number in range(10)]
    assert found["latent_prior"] == "6 columns N(0, 1), then one-hot of 10 classes"
    found = exported("points", suffix).metadata()
    assert (found["value_range"], found["output"]) == ("unbounded", "points")


def test_the_command_says_by_what_the_checkpoint_was_selected(
    small: SimpleNamespace, bench_home: Path, tmp_path: Path
) -> None:
    result = small.run(small.tiny("began", steps=4, eval_every=2, checkpoint_every=2))
    metric = result.description.metric
    by_best = f"step 2: the best by {metric}; --checkpoint last exports step 4"
    for checkpoint, said in [
        ("best", by_best if result.evaluations()[metric].idxmin() == 2 else "step 4, the last checkpoint"),
        ("last", "step 4, the last checkpoint"),
        ("2", "step 2"),
    ]:
        text = export(result.run, tmp_path / "generator.pt2", "--checkpoint", checkpoint)
        assert text.splitlines()[1].endswith(f", {said}"), text


def test_metadata_and_lines_are_in_the_json(runs: dict[str, RunFolder], tmp_path: Path) -> None:
    path = tmp_path / "generator.pt2"
    printed = json.loads(export(runs["points"], path, "--json"))
    file = Exported(runs["points"], path, printed["snippet"])
    assert printed["metadata"] == file.metadata()
    assert len(printed["snippet"].splitlines()) == 4
