"""``bench run``: its first lines, refusals that wait for nothing, and resumes of runs that are over."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.cli import main
from bench.runs import run_folder
from bench.runs.description import StudyTrial

# runs command lines, and fails if one of them imported what takes long or started a process
LIGHT = """
import subprocess, sys
from bench.cli import main
started = []
subprocess.Popen = lambda *args, **kwargs: started.append(args)
for words in sys.argv[2:]:
    status = main(words.split())
    assert status == int(sys.argv[1]), (words, status)
assert not started, started
heavy = {"torch", "mlflow", "optuna", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


def lightly(status: int, *commands: str) -> list[str]:
    """Give commands in one process that must end with a status; return the lines on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(status), *commands],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


@pytest.mark.skipif(torch.cuda.is_available() or Path("/dev/kfd").exists(), reason="there is a GPU")
def test_a_gpu_that_is_missing_is_refused_before_anything_is_imported(bench_home: Path) -> None:
    lines = lightly(
        2,
        "run --variant began --device cuda",
        "run --variant began --set device=cuda",
        "run --variant began,wgan-gp --seeds 0-4 --device cuda",
        "study smoke --device cuda",
    )
    assert lines == [
        "bench: device: 'cuda' is not possible: torch finds no GPU here; allowed is auto or cpu"
    ] * len(lines)
    assert len(lines) == 4
    assert not bench_home.exists()


def test_a_run_that_is_over_is_answered_for_without_building_anything(home: Path) -> None:
    runs = run_folder.all_runs()
    assert all(run.is_over() for run in runs)
    lines = lightly(0, *(f"run --resume {run.id}" for run in runs), "run --resume last --json")
    assert len(lines) == len(runs)
    for run, line in zip(runs, lines, strict=True):
        assert line.startswith(f"run {run.describe().name} ")
        assert line.endswith(": nothing to train")
    assert "is complete" in lines[0]
    assert re.search(r"ended at step \d+ \(diverged@\d+\)", lines[-1])


def test_only_its_study_trains_a_trial(
    trained_home: Path, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained_home / "mlruns", bench_home / "mlruns")
    *_, before, newest = run_folder.all_runs()
    described = newest.describe()
    study = StudyTrial(name="tried-began-123456", trial=3)
    newest.write_description(described.model_copy(update={"study": study}))
    content = newest.record_path.read_bytes()
    for words in ([], ["--dry-run"], ["--steps", "20"], ["--device", "cpu"]):
        assert main(["run", "--resume", newest.id, *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"bench: {described.name} is trial 3 of tried-began-123456: only the study's")
    assert newest.record_path.read_bytes() == content
    # the newest run that a user trained
    assert main(["run", "--resume", "last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == before.id
    # commands that only read mean every run
    assert run_folder.find("last") == newest
    for run in run_folder.all_runs():
        run.write_description(run.describe().model_copy(update={"study": study}))
    assert main(["run", "--resume", "last"]) == 2
    assert "all runs here are trials of studies" in capsys.readouterr().err
