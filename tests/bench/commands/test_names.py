"""Completion of words by a shell, as click answers it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

import pytest
from click.shell_completion import ShellComplete, get_completion_class

from bench.cli import COMMANDS, cli
from bench.commands.names import knobs_known
from bench.configuration import knobs_of
from bench.datasets.registry import DATASETS
from bench.system import paths
from studies import shipped
from variants.presets import MEANT_FOR
from variants.registry import all_variants

HEAVY = ("torch", "numpy", "pandas", "pydantic", "mlflow", "optuna", "bench.configuration")


def completed(*words: str) -> list[str]:
    """What a shell offers for the last word of a command line."""
    *before, begun = words
    found = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(before, begun)
    return [item.value for item in found]


@pytest.fixture
def results(bench_home: Path) -> None:
    """Descriptions of two runs and of a study, and of a run whose description is damaged."""
    for number, name in enumerate(("began x s0", "v3 x s1")):
        folder = paths.runs() / str(number)
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"name": name, "created": f"2026-01-0{number + 1}"}))
    damaged = paths.runs() / "2"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    study = paths.results() / "studies" / "smoke-began-123456"
    study.mkdir(parents=True)
    (study / "study.json").write_text("{}")


@pytest.mark.parametrize("command", ["run", "study", "table", "plot", "report"])
def test_variants_are_completed_each_after_a_comma(command: str) -> None:
    known = list(all_variants())
    assert completed(command, "--variant", "") == known
    assert completed(command, "--variant", "wgan-") == ["wgan-gp"]
    assert completed(command, "--variant", "began,wgan-") == ["began,wgan-gp"]
    assert completed(command, "--variant", "began,") == [f"began,{each}" for each in known if each != "began"]


@pytest.mark.parametrize("command", ["variants", "check-variant"])
def test_the_variant_that_a_command_is_given_is_completed(command: str) -> None:
    assert completed(command, "began-") == [name for name in all_variants() if name.startswith("began-")]


def test_presets_and_data_sets_are_completed() -> None:
    assert completed("run", "--preset", "") == list(MEANT_FOR)
    # those of scripts, which other tests import, are registered too
    own = [name for name, dataset in DATASETS.entries().items() if dataset.__module__.startswith("bench.")]
    assert completed("run", "--dataset", "") == [name.removesuffix("PATH") for name in sorted(own)]
    assert completed("table", "--dataset", "ring-8,gr") == ["ring-8,grid-25"]


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    "words",
    [(command,) for command in ("eval", "verify", "plot", "sample", "interpolate", "export", "track")]
    + [("run", "--resume"), ("plot", "last"), ("track", "last")],
)
def test_runs_are_completed_by_name(words: tuple[str, ...]) -> None:
    assert completed(*words, "") == ["began-x-s0", "v3-x-s1", "last"]
    assert completed(*words, "v3") == ["v3-x-s1"]
    # ids are offered for a word that begins no name
    assert completed(*words, "1") == ["1"]
    assert completed(*words, "x") == []


@pytest.mark.usefixtures("results")
def test_studies_are_completed_shipped_ones_to_begin_and_begun_ones_to_select() -> None:
    assert completed("study", "") == list(shipped())
    for command in ("table", "plot", "report"):
        assert completed(command, "--study", "") == ["smoke-began-123456"]


def test_a_study_may_be_a_file_which_the_shell_completes() -> None:
    found = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(["study"], "tests/mine")
    assert [(item.type, item.value) for item in found] == [("file", "tests/mine")]
    found = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(["study"], "smo")
    assert [(item.type, item.value) for item in found] == [("plain", "smoke")]


def choices_of(annotation: object) -> Iterator[str]:
    """The words of a type of choices, by the type itself; none of any other type."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif annotation is bool:
        yield from ("true", "false")
    else:
        inner = [each for kind in get_args(annotation) if kind is not NoneType for each in choices_of(kind)]
        yield from inner
        if inner and NoneType in get_args(annotation):
            yield "none"


def test_keys_of_settings_and_their_choices_are_those_of_the_knobs() -> None:
    own = [each for each in all_variants().values() if each.__module__.startswith("variants.")]
    fields = [item for variant in own for item in knobs_of(variant).items()]
    wanted: dict[str, set[str]] = {name: set() for name, _ in fields}
    for name, field in fields:
        wanted[name] |= set(choices_of(field.annotation))
    assert {name: set(knob.choices) for name, knob in knobs_known().items()} == wanted
    assert {name for name, field in fields if knobs_known()[name].description == field.description} >= {
        name for name, field in fields if name in ("seed", "gamma", "filters")
    }


@pytest.mark.parametrize("command", ["run", "study"])
def test_keys_and_values_of_settings_are_completed(command: str) -> None:
    assert completed(command, "--set", "gam") == ["gamma="]
    assert completed(command, "--set", "update=") == ["update=simultaneous", "update=alternating"]
    assert completed(command, "--set", "stop_on=c") == ["stop_on=collapse"]
    assert completed(command, "--set", "gamma=") == completed(command, "--set", "no_knob=") == []


def test_without_results_only_the_newest_run_is_offered(bench_home: Path) -> None:
    assert completed("eval", "") == ["last"]
    assert completed("table", "--study", "") == []
    assert not bench_home.exists()


def test_commands_and_options_are_completed_and_a_wrong_word_is_no_error() -> None:
    assert completed("") == list(COMMANDS)
    assert completed("runn", "") != []
    assert "--variant" in completed("run", "--va")
    assert completed("run", "--no-such-option", "--va") == ["--variant"]


def test_what_a_name_is_stands_beside_it() -> None:
    found = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(["run", "--preset"], "")
    assert {item.value: item.help for item in found} == dict(MEANT_FOR)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind.source_template % kind(cli, {}, "bench", "_BENCH_COMPLETE").source_vars()
    assert f"_BENCH_COMPLETE={shell}_complete" in script
    page = Path(__file__).parents[3] / "docs" / "usage.md"
    assert f"_BENCH_COMPLETE={shell}_source bench" in page.read_text(encoding="utf-8")


def test_completion_imports_nothing_heavy() -> None:
    words = ["bench run --variant began,", "bench run --preset ", "bench eval ", "bench study ", "bench "]
    words += ["bench run --set gam", "bench run --set update ="]
    code = (
        "import contextlib, os, sys\nfrom bench.cli import main\n"
        f"for words in {words!r}:\n"
        "    os.environ.update(COMP_WORDS=words, COMP_CWORD=str(words.count(' ')),\n"
        "                      _BENCH_COMPLETE='bash_complete')\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main([])\n"
        f"heavy = set({HEAVY!r}) & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    offered = done.stdout.split()
    for word in ("began,wgan-gp", "quick", "last", "smoke", "run", "gamma=", "alternating"):
        assert f"plain,{word}" in offered
