"""Damaged runs among healthy ones: commands go on without them, say so once, and `doctor` lists them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import main
from bench.execution import multirun
from bench.execution.progress import Progress
from bench.runs import run_folder
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError


def torn(content: bytes) -> bytes:
    return content[: len(content) // 2]


def a_line_twice(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:2], *lines[1:]])


DESCRIPTIONS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "is damaged: Expecting value"),
    "torn": (torn, "is damaged: "),
    "no JSON": (lambda content: b"name: began", "is damaged: Expecting value"),
    "a list": (lambda content: b"[1]", "is damaged: it is no JSON object"),
    "no UTF-8": (lambda content: b"\xff" + content, "is damaged: 'utf-8' codec can't decode"),
    "a key less": (
        lambda content: content.replace(b'"created"', b'"made"'),
        "is damaged: created is missing",
    ),
    "edited": (lambda content: content.replace(b'"seed": 0', b'"seed": 1'), "was changed since"),
}
RECORDS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a step twice": (a_line_twice, "is damaged: line 3: step 1 is recorded twice"),
    "a line broken": (lambda content: content.replace(b'{"step": 2,', b'{"step" 2,'), "line 3 is broken"),
}
DAMAGED = {**DESCRIPTIONS, **RECORDS}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace) -> Path:
    """A results folder with one healthy run and a damaged copy of it for each kind of damage."""
    home = tmp_path_factory.mktemp("mixed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        healthy = small.run(small.tiny("began", steps=4)).run
        for number, (kind, (damage, _)) in enumerate(DAMAGED.items()):
            copy = RunFolder(healthy.path.with_name(f"{number}" * 32))
            shutil.copytree(healthy.path, copy.path)
            path = copy.record_path if kind in RECORDS else copy.description_path
            path.write_bytes(damage(path.read_bytes()))
    return home


@pytest.fixture
def home(mixed: Path, bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_HOME", str(mixed))
    return mixed


def path_of(home: Path, kind: str) -> Path:
    folder = home / "mlruns" / "runs" / (str(list(DAMAGED).index(kind)) * 32)
    return folder / ("record.jsonl" if kind in RECORDS else "run.json")


@pytest.mark.parametrize("words", ["table", "report", "plot --variant began", "table --json"])
def test_healthy_runs_are_shown_and_one_line_warns_of_the_others(
    words: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")] if "table" not in words else []
    assert main([*words.split(), *out]) == 0
    err = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    first = path_of(home, "empty")
    assert err == [
        f"warning: {len(DAMAGED)} damaged runs are left out ({first} and others): `bench doctor` says why"
    ]


def test_doctor_lists_each_damaged_run_with_its_reason(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    damaged = {row["file"]: row["reason"] for row in json.loads(told.out)["damaged"]}
    assert set(damaged) == {str(path_of(home, kind)) for kind in DAMAGED}
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out.splitlines()
    for kind, (_, reason) in DAMAGED.items():
        line = damaged[str(path_of(home, kind))]
        assert line.startswith(str(path_of(home, kind)))
        assert reason in line
        assert line in text


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("words", ["run --resume", "plot"])
def test_a_damaged_run_that_is_asked_for_is_refused_in_one_line(
    words: str, kind: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = path_of(home, kind)
    assert main([*words.split(), path.parent.name]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bench: {path} ")
    assert DAMAGED[kind][1] in line
    # a prefix of it is as good
    assert main([*words.split(), path.parent.name[:5]]) == 1
    assert capsys.readouterr().err.splitlines() == [line]


def test_names_and_last_mean_healthy_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (healthy,) = [run for run in run_folder.all_runs() if not set(run.id) < set("0123456789")]
    assert "damaged runs are left out" in capsys.readouterr().err
    # their ids are no names of theirs: one that is whole is found without a word about others
    assert run_folder.find(healthy.id) == healthy
    assert run_folder.find(healthy.id[:9]) == healthy
    assert capsys.readouterr().err == ""


def test_a_damaged_run_does_not_keep_the_same_configuration_from_being_trained(
    home: Path, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    values = small.values | {"steps": 4}
    planned = multirun.plan(["began"], [0], values, None, 1, Progress(quiet=True))
    complete = planned.complete()
    assert [set(run.id) < set("0123456789") for run in complete] == [False]
    with pytest.raises(WorkError, match="is damaged"):
        RunFolder(path_of(home, "torn").parent).describe()
    assert "damaged runs are left out" in capsys.readouterr().err
