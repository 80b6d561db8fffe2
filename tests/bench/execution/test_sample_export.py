"""Samples in files are those that evaluations judge: judged again they give the recorded numbers."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli import main
from bench.runs import record, run_folder
from bench.runs.generator import load
from bench.runs.run_folder import RunFolder
from bench.training.sampler import EVALUATION
from variants.noise import Noise


@pytest.fixture
def run(home: Path) -> RunFolder:
    return next(run for run in run_folder.all_runs() if run.describe().config.variant == "began-v3")


def told(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("name", ["samples.npz", "samples"])
def test_judged_again_they_have_the_recorded_numbers_to_the_last_digit(
    name: str, run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = told(capsys, "sample", run.id, "--checkpoint", "last", "--out", tmp_path / name)
    evaluation = record.read(run.record_path).evaluations[-1]
    assert (facts["step"], facts["count"]) == (evaluation.step, 100)
    bench, *words = shlex.split(str(facts["judge"]))
    assert bench == "bench"
    judged = told(capsys, *words)
    description = run.describe()
    assert judged["values"] == evaluation.values
    assert judged["real"] == description.real
    assert judged["notes"] == [
        f"made by run {description.name} at step 9",
        "100 samples, 5,000 real ones: Frechet distances fall with either number; compare equal numbers only",
    ]
    protocols = judged["metric.protocol"]
    assert isinstance(protocols, dict)
    shared, _, generator = protocols[description.metric].partition("; generator ")
    assert shared == description.protocol.partition("; generator ")[0]
    assert generator.startswith("file ")
    assert "shuffled" not in generator


# the colour images of wgan-gp leave its generator with channels last in memory
@pytest.mark.parametrize(
    ("variant", "channels", "name"),
    [("began", 1, "samples"), ("wgan-gp", 3, "samples.npz"), ("wgan-gp", 3, "samples")],
)
def test_the_printed_command_has_the_knobs_that_decide_the_real_samples(
    variant: str,
    channels: int,
    name: str,
    small: SimpleNamespace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    draws = np.random.default_rng(0).integers(0, 256, (80, 32, 30, 3), dtype=np.uint8)
    for number, pixels in enumerate(draws):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    knobs = {"dataset": f"folder:{folder}", "channels": channels, "crop": "centre:20", "held_out": 0.25}
    result = small.run(small.tiny(variant, **knobs, steps=1, eval_every=1, checkpoint_every=1))
    facts = told(capsys, "sample", result.run.id, "--out", tmp_path / name)
    judged = told(capsys, *shlex.split(str(facts["judge"]))[1:])
    assert isinstance(judged["values"], dict)
    assert isinstance(judged["real"], dict)
    distance = "fd_digits_garments" if channels == 1 else "fd_objects"
    assert distance in result.metrics
    outside = [f"{distance}_held_out", f"{distance}_gap"]
    assert set(judged["values"]) - set(result.metrics) == set(outside)
    assert {name: judged["values"][name] for name in result.metrics} == result.metrics
    assert {name: judged["real"][name] for name in result.metrics} == result.run.describe().real
    assert str(judged["outside"]).startswith("held-out ")


def test_they_are_the_generators_for_the_latents_of_evaluations(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "samples.npz"
    for seed in ([], ["--seed", "5"]):
        told(capsys, "sample", run.id, "--checkpoint", "8", "--count", "300", *seed, "--out", out)
        trained = load(run, "8")
        noise = Noise(5 if seed else run.describe().config.seed, 0, torch.device("cpu"))
        images = trained.generate(trained.variant.draw_latent(noise, 300, EVALUATION))
        expected = ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        with np.load(out) as file:
            assert np.array_equal(file["arr_0"], expected)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--out", "full"], "'full' is not empty: name a new one"),
        (["--out", "samples.npy"], "a grid FILE.png, all samples in FILE.npz, and a new folder"),
        (["--out", "samples.npz", "--class", "3"], "--class is an option of grids"),
        (["--count", "20000"], "--count 20,000 is more than a picture shows, 10,000: --out FILE.npz"),
        (["--out", "samples.npz", "--checkpoint", "5"], "checkpoint '5' does not exist"),
    ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
    words: list[str],
    reason: str,
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    assert main(["sample", run.id, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert sorted(tmp_path.rglob("*")) == before
