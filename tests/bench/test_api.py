"""The harness from Python."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bench
from bench.system.errors import RequestError, WorkError

KNOBS = {
    "steps": 3,
    "filters": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "eval_samples": 100,
    "extractor": "shipped",
    "tracking": False,
    "figures": False,
    "quiet": True,
}


def test_a_run_is_trained_collected_and_loaded() -> None:
    outcome = bench.run("began", seed=3, gamma=0.7, experiment="notebook", **KNOBS)
    assert outcome.record.end is not None
    assert outcome.record.end.status == "FINISHED"
    frame = bench.results(experiment="notebook")
    assert list(frame["run_id"]) == [outcome.run.id]
    assert frame.loc[0, "gamma"] == 0.7
    for named in (outcome, outcome.run, outcome.run.id, "last"):
        images = bench.load(named).sample(5, seed=1)
        assert images.shape == (5, 1, 28, 28)
        assert images.dtype == torch.float32
        assert images.abs().max() <= 1
        assert torch.equal(images, bench.load(outcome, 3).sample(5, seed=1))
    assert not torch.equal(images, bench.load("last").sample(5, seed=2))


@pytest.mark.slow
def test_many_runs_come_back_as_one_frame() -> None:
    frame = bench.run_many(["began"], range(2), workers=2, **KNOBS)
    assert sorted(frame["seed"]) == [0, 1]
    assert set(frame["status"]) == {"FINISHED"}
    with pytest.raises(WorkError, match="began seed 0: diverged"):
        bench.run_many(["began"], [0], lr_d=1e30, **KNOBS)


def test_wrong_names_and_values_are_refused(bench_home: Path) -> None:
    for variant, knobs in (("begann", {}), ("began", {"gamma": 7}), ("began", {"gama": 0.5})):
        with pytest.raises(RequestError):
            bench.run(variant, quiet=True, **knobs)
    with pytest.raises(AttributeError):
        bench.nothing  # noqa: B018
    assert not (bench_home / "mlruns").exists()


def test_importing_the_package_alone_is_light() -> None:
    program = (
        "import bench, sys; print(sorted({'torch', 'pandas', 'mlflow', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
