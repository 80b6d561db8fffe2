"""``bench table`` as its users meet it."""

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from bench.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path, small: SimpleNamespace) -> Path:
    """A results folder: began, wgan-gp, and began under another norm."""
    home = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        small.run(small.tiny("began", norm="l1"))
        small.run(small.tiny("wgan-gp", critic_steps=1))
        small.run(small.tiny("began", norm="l2", experiment="other"))
    return home


@pytest.fixture(autouse=True)
def _home(trained: Path, bench_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_HOME", str(trained))


def test_the_default_is_markdown_of_distance_coverage_and_what_selects_checkpoints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["table", "--experiment", "began-bench"]) == 0
    captured = capsys.readouterr()
    captions = [line for line in captured.out.splitlines() if line.endswith("last evaluation")]
    named = [line.partition(" ")[0] for line in captions]
    assert named == ["fd_digits_garments", "classes_covered", "coverage", "M", "wasserstein"]
    # has none, which is told
    assert "Not measured: M of wgan-gp, wasserstein of began." in captured.out
    assert captured.err == ""


def test_runs_metrics_rule_and_baseline_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["table", "--where", "norm != 'l2'", "--select", "best-fid", "--metric", "fd_digits_garments"]
    assert main([*words, "--baseline", "wgan-gp", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["group"] for row in report["rows"]] == ["wgan-gp", "began"]
    began = report["rows"][1]
    assert (began["runs"], began["pairs"]) == (1, 1)
    assert began["iqm_low"] is None
    assert began["last_iqm"] >= began["iqm"]
    assert report["out"] is None
    assert any("lowest Frechet distance" in note for note in report["notes"])


def test_a_scalar_that_selects_checkpoints_selects_steps_of_a_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["table", "--variant", "wgan-gp", "--select", "best-wasserstein", "--metric", "wasserstein"]
    assert main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (row,) = report["rows"]
    assert (row["metric"], row["better"]) == ("wasserstein", "lower")
    assert row["runs"] == 1
    assert any("lowest mean wasserstein" in note for note in report["notes"])


@pytest.mark.parametrize("form", ["md", "latex", "html"])
def test_metrics_stand_side_by_side(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--experiment", "began-bench,other", "--metric", "coverage", "--metric", "duplicates"]
    assert main(["table", *words, "--wide", "--format", form]) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith(("| began", "began ", "<tr><td>began"))]
    assert len(rows) == 2
    assert text.count("(higher is better)") == text.count("(lower is better)") == 1


def test_csv_on_stdout_is_pure_and_its_notes_go_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--variant", "wgan-gp", "--format", "csv"]) == 0
    captured = capsys.readouterr()
    assert list(pd.read_csv(io.StringIO(captured.out))["group"]) == ["wgan-gp"] * 4
    assert "last evaluation" in captured.err


@pytest.mark.parametrize("form", ["md", "csv", "latex", "html", "json", "parquet"])
def test_out_writes_the_same_to_a_file(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["table", "--variant", "wgan-gp", "--format", form]
    out = tmp_path / f"table.{form}"
    assert main([*words, "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [out.name]
    if form == "parquet":
        assert list(pd.read_parquet(out)["group"]) == ["wgan-gp"] * 4
    else:
        assert main(words) == 0
        assert out.read_text() == capsys.readouterr().out


def test_a_published_table_stands_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--paper", "table3"]) == 0
    text = capsys.readouterr().out
    for word in ("20,629,320", "8 days 6 h 30 min", "no runs", "Electronics"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "M cannot be compared, runs differ in norm"),
        (["--variant", "bgan"], "did you mean 'began'"),
        (["--experiment", "nothing"], "began-bench, other"),
        (["--where", "gamma =="], "no expression"),
        (["--where", "seed == 77"], "no run meets"),
        (["--select", "best"], "allowed are best-M, best-fid, best-wasserstein, last"),
        (["--select", "best-M", "--variant", "wgan-gp"], "allowed are best-fid, best-wasserstein, last"),
        (["--metric", "fid"], "no run has fid, which needs the extractor inception: the runs were judged by"),
        (["--where", "norm = 'l1'"], "equality is written =="),
        (["--variant", "wgan-gp", "--wide", "--format", "csv"], "--wide is a layout of md, latex, html"),
        (["--paper", "table3", "--wide"], "--wide has no meaning with --paper"),
        (["--variant", "wgan-gp", "--metric", "M"], "unknown metric 'M'"),
        (["--variant", "wgan-gp", "--baseline", "began"], "unknown baseline"),
        (["--format", "docx"], "'docx'"),
        (["--format", "parquet"], "--out"),
        (["--paper", "table9"], "did you mean 'table3'"),
        (["--paper", "table3", "--baseline", "began"], "--baseline has no meaning with --paper"),
    ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if words == ["--format", "parquet"] else ["--out", str(tmp_path / "table")]
    assert main(["table", *words, *out]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert message in line
    assert not (tmp_path / "table").exists()


def test_a_folder_that_does_not_exist_is_a_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--variant", "wgan-gp", "--out", "/no/such/folder/table.md"]) == 2
    assert "/no/such/folder" in capsys.readouterr().err


def test_without_runs_there_is_no_table(
    bench_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_HOME", str(bench_home))
    assert main(["table"]) == 2
    assert "no finished run" in capsys.readouterr().err
    assert not os.path.exists(bench_home)
