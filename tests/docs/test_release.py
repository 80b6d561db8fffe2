"""The version, the changelog and the checks before a commit agree."""

import re
import tomllib
from pathlib import Path

import yaml
from setuptools import find_namespace_packages

import bench

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_newest_section_of_the_changelog_is_the_version_of_the_code():
    newest = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, re.MULTILINE)[0]
    if bench.__version__.endswith(".dev0"):
        assert newest == ("Unreleased", "")
        assert bench.__version__.removesuffix(".dev0") in CHANGELOG
    else:
        assert newest[0] == bench.__version__
        assert newest[1]


def test_ci_has_the_checks_of_every_commit():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "mypy", "lint-imports"]
    assert "pre-commit run --all-files" in CI
    assert "mkdocs build --strict" in CI


def test_files_that_ci_names_exist():
    named = re.findall(r"\b(?:tests|benchmarks)/[\w./-]+\w", CI)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_files_beside_the_code_are_installed_with_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = {
        file
        for package, patterns in project["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for file in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    beside = {
        file
        for package in ("bench", "variants", "studies")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    assert listed == beside


def test_the_wheel_has_the_three_packages_and_no_scripts_beside_them() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = find_namespace_packages(str(ROOT), include=built["packages"]["find"]["include"])
    assert {name.partition(".")[0] for name in packages} == {"bench", "studies", "variants"}
    assert {"bench.judging.metrics", "variants.families"} <= set(packages)
