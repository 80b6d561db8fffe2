"""``bench doctor`` says in words what this machine can do and what is missing."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.commands import doctor
from bench.judging import extractors
from bench.judging.extractors import availability
from bench.runs import environment
from bench.system import paths


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, Any]:
    """The text and the JSON of the command."""
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    return text, json.loads(capsys.readouterr().out)


def section(text: str, title: str) -> dict[str, str]:
    """The lines of a section by their first cell, each on one line."""
    body = next(part for part in text.split("\n\n") if part.startswith(f"{title}\n")).partition("\n")[2]
    joined = re.sub(r"\n {3,}", " ", body)
    pairs = (re.split(r" {2,}", line, maxsplit=1) for line in joined.splitlines())
    return {name: " ".join(rest) for name, *rest in pairs}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> environment.Environment:
    """A machine with one core and 24 GiB, without a GPU, whose commit takes no time."""
    known = environment.facts().model_copy(
        update={"cores": 1, "threads": 1, "memory": 24 * 2**30, "gpu": None, "gpu_memory": None}
    )
    monkeypatch.setattr(environment, "facts", lambda: known)
    return known


def test_it_is_written_for_people(
    machine: environment.Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    text, report = told(capsys)
    assert "None" not in text
    assert not re.search(r"\('|\[\]|\(\)|\b(True|False)\b", text)
    assert all(len(line) <= 110 or "/" in line for line in text.splitlines())
    shown = section(text, "Machine")
    assert shown["memory"] == "24.0 GiB"
    assert shown["GPU"] == "none: runs are trained on the processor"
    kernels = f"{machine.cpu_capability} kernels"
    assert shown["processor"] == f"{machine.processor}, 1 core, 1 thread of torch, {kernels}"
    # programs get the numbers
    assert report["machine"]["memory"] == 24 * 2**30


@pytest.mark.parametrize("gpu", ["NVIDIA H100"])
def test_a_gpu_is_named_with_its_memory(
    gpu: str,
    machine: environment.Environment,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_gpu = machine.model_copy(update={"gpu": gpu, "gpu_memory": 80 * 2**30, "cores": 16, "threads": 8})
    monkeypatch.setattr(environment, "facts", lambda: with_gpu)
    shown = section(told(capsys)[0], "Machine")
    assert shown["GPU"] == f"{gpu}, 80.0 GiB"
    assert ", 16 cores, 8 threads of torch, " in shown["processor"]


@pytest.mark.usefixtures("machine")
def test_a_verdict_says_by_what_each_kind_of_samples_can_be_judged_or_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # those of extras are on some machines only
    extras = ("efficientnet", "dinov2", "clip")
    rows = [
        replace(row, present=False, note="needs a package") if row.name.startswith(extras) else row
        for row in availability(paths.cache())
    ]
    inception = next(row for row in rows if row.metric == "fid")
    inception = replace(inception, path="/weights/inception.pth", lacks="")
    absent = replace(inception, present=False, hash=None, note="not found: put it at /weights/inception.pth")
    present = replace(inception, present=True, hash="6726825d" * 8, note="")
    for row in (absent, present, replace(present, lacks="no classifier")):
        here = [row if each.metric == "fid" else each for each in rows]
        monkeypatch.setattr(extractors, "availability", lambda cache, here=here: here)
        text, report = told(capsys)
        verdicts = section(text, "Judging")
        grey, colour = verdicts["grey images"], verdicts["colour images"]
        assert "digits-garments (fd_digits_garments, trained on digits" in grey
        assert grey.startswith("can be judged: by ")
        by_objects = "objects (fd_objects, trained on photographs of objects and animals)"
        assert by_objects in colour
        assert by_objects not in grey
        by_inception = f"{row.name} (fid, trained on {row.trained_on})"
        if row.present:
            assert by_inception in colour
            assert by_inception in grey
            lacks = "; no classifier" if row.lacks else ""
            shown = section(text, "Weights")[row.name]
            assert shown == f"/weights/inception.pth (sha256 6726825d){lacks}"
        else:
            assert colour == f"can be judged: by {by_objects}"
            assert by_inception not in grey
            shown = section(text, "Weights")[row.name]
            assert shown.startswith("not in any of ")
            assert shown.endswith(": put it at /weights/inception.pth")
        assert {each["what"]: each["possible"] for each in report["judging"]} == {
            "grey images": True,
            "colour images": True,
            "stacked digits": True,
            "points": True,
        }


@pytest.mark.usefixtures("machine")
def test_an_extra_that_is_not_installed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda module: None if module == "onnxruntime" else object())
    optional = section(told(capsys)[0], "Optional")
    assert optional["bench export FILE.onnx"] == "cannot: install began-bench[onnx]"
    assert optional["bench study --cluster"] == "can: the extra cluster is installed"


def test_the_extras_are_those_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert set(doctor.EXTRAS) == set(project["optional-dependencies"]) - {"test", "docs", "dev"}


@pytest.mark.usefixtures("machine")
def test_data_is_here_or_missing_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    text, report = told(capsys)
    shown = section(text, "Data")
    for row in report["datasets"]:
        assert shown[row["name"]].startswith("here" if row["present"] else "missing: put ")
