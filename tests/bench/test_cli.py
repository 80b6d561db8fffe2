"""The command line as its users meet it: real processes."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import COMMANDS, main
from bench.runs import run_folder

HEAVY = ("torch", "torchvision", "torchmetrics", "mlflow", "optuna", "pandas")


def settings(small: SimpleNamespace, **values: object) -> list[str]:
    chosen = {
        name: value for name, value in small.values.items() if name not in ("preset", "steps", "device")
    }
    return [word for name, value in (chosen | values).items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("words", [["--help"], ["--version"], *[[command, "--help"] for command in COMMANDS]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from bench.cli import main; status = main(sys.argv[1:]);"
        f"heavy = set({HEAVY!r}) & set(sys.modules); assert not heavy, heavy; sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "bench" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runn"], "did you mean 'run'?"),
        (["run", "--varaint", "began"], "'--variant'"),
        (["run"], "no variant given"),
        (["run", "--variant", "began-v4"], "did you mean 'began-v3'?"),
        (["run", "--variant", "began", "--dataset", "mnits"], "did you mean 'mnist'?"),
        (["run", "--variant", "began", "--dataset", "folder:/no/such/folder"], "/no/such/folder"),
        (["run", "--variant", "began", "--preset", "quik"], "did you mean 'quick'?"),
        (["run", "--variant", "began", "--set", "gama=1"], "did you mean 'gamma'?"),
        (["run", "--variant", "began", "--set", "gamma=2"], "from 0 to 1"),
        (["run", "--variant", "began", "--set", "image_size=50"], "nearest are 48 and 52"),
        (["run", "--variant", "began", "--set", "batch_size=6000"], "5000"),
        (["run", "--variant", "began", "--steps", "5", "--set", "steps=6"], "given twice"),
        (["run", "--variant", "began", "--config", "/no/such.yaml"], "/no/such.yaml"),
        (["run", "--variant", "began", "--device", "tpu"], "auto or cpu or cuda"),
        (["run", "--resume", "nothing"], "nothing"),
        (["variants", "began-v4"], "did you mean 'began-v3'?"),
        (["ui", "--port", "0"], "port"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing_behind(
    words: list[str], message: str, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not bench_home.exists()


def test_an_error_with_json_is_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--variant", "began-v4", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["status"] == 2


def test_a_dry_run_needs_no_data_and_creates_nothing(
    bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "run",
        "--variant",
        "began-v3",
        "--preset",
        "paper",
        "--dataset",
        "celeba",
        "--dry-run",
        "--json",
    ]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parameters"]["total"] == 22_726_534
    assert report["config"]["batch_size"] == 128
    assert report["step_operations"] > 1e12
    assert not bench_home.exists()


def test_a_dry_run_prints_settings_as_one_types_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--variant", "began", "--dry-run"]) == 0
    shown = {tuple(line.split()[:2]) for line in capsys.readouterr().out.splitlines()}
    assert {("epochs", "none"), ("drop_last", "true"), ("image_size", "28")} <= shown


@pytest.mark.parametrize("command", ["variants", "datasets", "doctor"])
def test_listings_speak_to_people_and_programs(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 4
    assert main([command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_variants_prints_the_published_parameter_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants", "--json"]) == 0
    counts = {entry["name"]: entry["parameters"] for entry in json.loads(capsys.readouterr().out)["variants"]}
    assert counts["began"] == 15_121_990
    assert counts["began-cs"] == 20_629_318
    assert counts["began-v3"] == 22_726_534
    assert counts["began-resnet18"] == 21_798_954


def test_the_knobs_of_a_variant_are_listed_with_range_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants", "began", "--json"]) == 0
    knobs = {knob["name"]: knob for knob in json.loads(capsys.readouterr().out)["knobs"]}
    assert knobs["gamma"]["default"] == 0.5
    assert knobs["gamma"]["allowed"] == "a number from 0 to 1"
    assert knobs["batch_size"]["unit"] == "samples"


def test_a_run_with_json_prints_one_object_and_imports_no_tracker(
    small: SimpleNamespace, bench_home: Path
) -> None:
    code = (
        "import sys; from bench.cli import main; status = main(sys.argv[1:]);"
        "assert not {'mlflow', 'optuna'} & set(sys.modules); sys.exit(status)"
    )
    words = ["run", "--variant", "began", "--steps", "3", "--json", *settings(small)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == "FINISHED"
    assert report["step"] == 3
    assert report["alarms"] == []
    assert Path(report["folder"]).is_relative_to(bench_home)


def test_the_end_of_a_run_is_a_table(small: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--variant", "began", "--steps", "3", *settings(small)]) == 0
    text, told = capsys.readouterr()
    run = run_folder.find("last")
    name = run.describe().name
    assert [line for line in told.splitlines() if "decoding" not in line][:5] == [
        f"run     {name}",
        f"folder  {run.path}",
        "preset  quick: began on mnist-5k at 28 px, batches of 8, 3 steps",
        f"judge   fd_digits_garments and others by {run.describe().protocol}",
        f"resume  bench run --resume {shlex.quote(name)}",
    ]
    assert "\r" not in told
    for word in (
        "health",
        "alarms",
        "fd_digits_garments",
        "classes_covered",
        "M_best",
        "real",
        "better",
        "samples",
        "next",
    ):
        assert word in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_does(
    number: int, small: SimpleNamespace, bench_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [sys.executable, "-m", "bench", "run", "--variant", "began", "--steps", "400"]
    words += settings(small, eval_every=0, checkpoint_every=20)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_checkpoint(bench_home)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    line = next(line for line in err.splitlines() if "resume with: " in line)
    resume = shlex.split(line.partition("resume with: bench ")[2])
    assert main([*resume, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 400


def test_resume_refuses_another_configuration_and_shows_the_difference(
    small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    small.run(small.tiny("began", steps=3))
    capsys.readouterr()
    assert main(["run", "--resume", "last", "--set", "gamma=0.25"]) == 2
    assert "gamma 1.0 -> 0.25" in capsys.readouterr().err
    assert main(["run", "--resume", "last", "--set", "gamma=1", "--steps", "3"]) == 0


def wait_for_checkpoint(home: Path, count: int = 1) -> None:
    """Return when a run below `home` has so many checkpoints."""
    for _ in range(1200):
        if len(list(home.glob("mlruns/runs/*/checkpoints/step-*.safetensors"))) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(
        f"no checkpoint appeared under {home}: {os.listdir(home) if home.exists() else 'nothing'}"
    )
