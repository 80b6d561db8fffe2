"""``bench report`` as its users meet it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import main
from bench.runs.run_folder import RunFolder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace) -> Path:
    """A results folder with one run, and its copy under another norm."""
    home = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        first = small.run(small.tiny("began", norm="l1")).run
    copy = first.path.with_name("c" * 32)
    shutil.copytree(first.path, copy)
    described = first.describe()
    config = described.config.model_copy(update={"norm": "l2"})
    RunFolder(copy).write_description(described.model_copy(update={"id": copy.name, "config": config}))
    small.adopt_checkpoints(RunFolder(copy))
    return home


@pytest.fixture(autouse=True)
def _home(trained: Path, bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_HOME", str(trained))


def test_it_writes_one_file_and_says_where(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(trained.rglob("*"))
    file = tmp_path / "page.html"
    words = ["report", "--where", "norm == 'l1'", "--title", "A title", "--select", "best-fid"]
    assert main([*words, "--out", str(file)]) == 0
    out = capsys.readouterr().out
    assert f"wrote {file}" in out
    assert "<title>A title</title>" in file.read_text(encoding="utf-8")
    assert sorted(trained.rglob("*")) == before
    first = file.read_bytes()
    assert main([*words, "--out", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["title"], told["runs"], told["bytes"]) == ("A title", 1, len(first))
    assert file.read_bytes() == first
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--metric", "fdi"], "unknown metric"),
        (["--baseline", "wgan"], "unknown baseline"),
        (["--variant", "nobody"], "unknown variant"),
        (["--select", "best"], "unknown selection rule"),
        (["--where", "seed == 9"], "no run meets"),
        ([], "runs differ in norm"),
        (["--out", "nowhere/page.html"], "there is no folder"),
    ],
)
def test_a_bad_request_leaves_nothing(
    words: list[str], problem: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(trained.rglob("*"))
    assert main(["report", *words]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert sorted(trained.rglob("*")) == before


def test_the_default_place_is_beside_the_runs(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--where", "norm == 'l2'"]) == 0
    file = trained / "mlruns" / "report.html"
    assert str(file) in capsys.readouterr().out
    file.unlink()
