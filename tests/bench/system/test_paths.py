"""Folders of results and caches, and homes that do not exist."""

import os
import pwd
from pathlib import Path

import pytest

from bench import cli
from bench.system import paths
from bench.system.errors import RequestError

VARIABLES = {"BENCH_HOME": paths.home, "BENCH_CACHE": paths.cache, "XDG_CACHE_HOME": paths.cache}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without HOME and without an entry in the list of users, as in many containers."""

    def nobody(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)


@pytest.mark.parametrize("name", ["a b", "a?b#c d%41", "~/x"])
@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_names_a_folder(
    variable: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, name if name.startswith("~") else str(tmp_path / name))
    below = "began-bench" if variable == "XDG_CACHE_HOME" else ""
    assert VARIABLES[variable]() == tmp_path.resolve() / name.removeprefix("~/") / below


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_home_of_an_unknown_user_is_refused_in_one_line(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "~nosuchuser/x")
    with pytest.raises(RequestError, match=f"{variable} '~nosuchuser/x': no user is named 'nosuchuser'"):
        VARIABLES[variable]()
    assert cli.main(["track", "last"] if variable == "BENCH_HOME" else ["datasets"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bench: {variable} '~nosuchuser/x'")


@pytest.mark.parametrize("by", ["variable", "current folder"])
def test_a_folder_of_results_whose_name_is_not_utf8_is_refused_in_one_line(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    if by == "variable":
        monkeypatch.setenv("BENCH_HOME", str(folder))
    else:
        # as where the package is installed elsewhere
        monkeypatch.chdir(folder)
        monkeypatch.setattr(paths, "__file__", str(tmp_path / "bench" / "system" / "paths.py"))
    assert cli.main(["track", "last"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert r"caf\udce9" in line
    assert "not UTF-8" in line


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_is_told_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match="no home folder"):
        paths.cache()
    assert cli.main(["datasets"]) == 2
    assert capsys.readouterr().err == (
        "bench: this user has no home folder, which MLflow needs: set HOME to a folder\n"
    )


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("variable", ["BENCH_CACHE", "XDG_CACHE_HOME"])
def test_a_user_without_a_home_may_name_the_caches(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    assert tmp_path.resolve() in (paths.cache(), paths.cache().parent)
