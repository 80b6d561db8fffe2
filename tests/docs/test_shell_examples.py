"""The shell examples of the pages: bash runs them with programs that note down their arguments.

Variables and loops of an example are expanded, and an unknown program is an error.
"""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cli import COMMANDS, cli
from bench.configuration import Harness, resolve
from bench.datasets.registry import DATASETS
from bench.judging.extractors import require_extractor
from bench.judging.extractors.registry import EXTRACTORS
from bench.judging.metrics.registry import METRICS
from variants.registry import VARIANTS, all_variants

ROOT = Path(__file__).parents[2]
PAGES = [
    page.relative_to(ROOT)
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md")
]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(bench [^`]+)`")
NOTES = """#!{python}
import json, os, sys
with open(os.environ["NOTES"], "a") as notes:
    notes.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""
# others than bench and python: what they are given is not looked at
OTHERS = ("git", "mkdocs", "optuna-dashboard", "pip", "pre-commit", "lint-imports", "twine")


@pytest.fixture(autouse=True)
def _examples_are_registered() -> Iterator[None]:
    """The parts that docs/extending.md adds are there, as if their package were installed."""
    with VARIANTS.restored(), DATASETS.restored(), METRICS.restored(), EXTRACTORS.restored():
        for file in (ROOT / "examples").glob("*.py"):
            runpy.run_path(str(file), run_name=file.stem)
        yield


def read(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with .venv/bin as after the installation."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("bench", "python", "python3", "torchrun", *OTHERS):
        file = folder / ".venv/bin" / name
        file.write_text(NOTES.format(python=sys.executable))
        file.chmod(0o755)
    (folder / ".venv/bin/activate").write_text("")
    return folder


def commands_of(page: Path, folder: Path, notes: Path) -> list[list[str]]:
    """Programs and arguments that the examples of a page start."""
    path = f"{folder / '.venv/bin'}:{os.environ['PATH']}"
    for block in BLOCK.findall(read(page)):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env={"PATH": path, "NOTES": str(notes)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (block, done.stderr)
    return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_of_examples_are_possible(page, programs, tmp_path):
    for program, *arguments in commands_of(page, programs, tmp_path / "notes"):
        if program == "pip":
            check_extras(arguments)
        elif program == "bench":
            check_bench(arguments)
        elif "-m" in arguments and arguments[arguments.index("-m") + 1] == "bench":
            check_bench(arguments[arguments.index("-m") + 2 :])
        elif program == "python" and arguments[0] != "-m":
            check_script(arguments)


def check_extras(arguments: list[str]) -> None:
    """The extras that pip is to install are the project's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for match in re.findall(r"\[([\w,-]+)\]", " ".join(arguments)):
        assert set(match.split(",")) <= set(project["optional-dependencies"])


def check_script(arguments: list[str]) -> None:
    """A script of the project is there, and its source names the options."""
    source = (ROOT / arguments[0]).read_text(encoding="utf-8")
    for word in arguments[1:]:
        assert not word.startswith("--") or word in source, arguments


def check_bench(arguments: list[str]) -> None:
    """The command line reads the arguments, and a run has such a configuration."""
    command = cli.get_command(None, arguments[0])
    given = command.make_context(arguments[0], list(arguments[1:])).params
    if arguments[0] == "study" and not given["name"].endswith(".yaml"):
        assert (ROOT / "studies" / f"{given['name']}.yaml").exists()
    if arguments[0] != "run" or given["resume"] or given["file"]:
        return
    options = {
        name: given[name]
        for name in ("dataset", "preset", "steps", "epochs", "seed", "device", "experiment")
        if given[name] is not None
    }
    settings = {key: value for key, value in given["settings"].items() if key != "KEY"}
    for variant in given["variant"].split(","):
        harness = resolve({"variant": variant} | options | settings).harness
        require_extractor(harness.extractor, harness.dataset)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_and_options_in_sentences_exist(page):
    for span in SPAN.findall(read(page).replace("\n", " ")):
        name, *words = shlex.split(span.replace("[", " ").replace("]", " "))[1:]
        if name.startswith("--") or not name.islower():
            continue
        assert name in COMMANDS, span
        options = {option for each in cli.get_command(None, name).params for option in each.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, span


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_keys_in_sentences_exist(page):
    known = {*Harness.model_fields, "variant", "preset", "KEY"}
    for variant in all_variants().values():
        known |= set(variant.Hyperparameters.model_fields)
    assert set(re.findall(r"--set\s(\w+)=", read(page))) <= known
