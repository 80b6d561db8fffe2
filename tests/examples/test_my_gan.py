"""The example of a variant is short, and trains as it stands."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench
from bench.configuration import presets_of, resolve
from variants.registry import VARIANTS

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples/my_gan.py"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with VARIANTS.restored():
        runpy.run_path(str(FILE), run_name="my_gan")
        yield


@pytest.mark.parametrize(("file", "lines"), [(FILE, 40), (ROOT / "variants/wgan_gp.py", 60)])
def test_a_variant_of_two_losses_is_short(file: Path, lines: int) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < lines


def test_it_has_every_preset_but_the_published_one_without_stating_any() -> None:
    kind = VARIANTS.entries()["my-gan"]
    assert "presets" not in vars(kind)
    assert presets_of(kind) == ("quick", "colour-quick", "points", "stacked", "small")
    hyperparameters = resolve({"variant": "my-gan", "preset": "small"}).hyperparameters
    assert hyperparameters == kind.Hyperparameters()


@pytest.mark.parametrize("dataset", ["mnist-5k", "ring-8"])
def test_it_trains_and_is_judged(dataset: str) -> None:
    short = {"steps": 20, "eval_samples": 100, "device": "cpu", "figures": False, "tracking": False}
    outcome = bench.run("my-gan", quiet=True, dataset=dataset, weight=0.5, **short)
    assert len(outcome.record.steps) == 20
    assert set(outcome.record.steps[-1]) >= {"loss_d", "loss_g", "lr_g", "lr_d"}
    assert outcome.record.evaluations[-1].step == 20


def test_the_weight_of_the_fake_samples_counts() -> None:
    short = {"steps": 1, "eval_samples": 100, "device": "cpu", "figures": False, "tracking": False}
    half, whole = (
        bench.run("my-gan", quiet=True, weight=weight, **short).record.steps[0]["loss_d"]
        for weight in (0.5, 1.0)
    )
    assert half < whole
