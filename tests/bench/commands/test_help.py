"""The help of every command: what it says of defaults and choices is what the command does."""

import re
from typing import get_args

import click
import pytest

from bench.cli import COMMANDS, cli, main
from bench.comparing.defaults import FORMATS, OF_ALL, OF_CLASSES, OF_KNOWN_MODES
from bench.configuration import PRESETS, Harness
from bench.judging.metrics.registry import METRICS
from studies import shipped
from variants.presets import MEANT_FOR, PresetName

CONTEXT = click.Context(cli, info_name="bench")
# options without which nothing is left out, compared or written elsewhere
WITHOUT = {
    *(("run", name) for name in ("variant", "epochs", "seeds", "file", "resume")),
    ("table", "paper"),
    ("judge", "against"),
    *(
        (name, selected)
        for name in ("table", "plot", "report", "runs", "studies")
        for selected in ("experiment", "variant", "dataset", "where", "baseline")
    ),
}


def command_of(name: str) -> click.Command:
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    return command


def options_of(name: str) -> list[click.Option]:
    """The options that the help of a command shows."""
    options = [each for each in command_of(name).params if isinstance(each, click.Option)]
    return [option for option in options if not option.hidden]


def record_of(name: str, option: click.Option) -> str:
    """What the help says of an option, on one line."""
    record = option.get_help_record(click.Context(command_of(name), info_name=name, parent=CONTEXT))
    assert record is not None
    return " ".join(record)


def stated_default(text: str) -> str:
    """The default that a help text states, empty where it states none."""
    found = re.search(r"\[default: (.*?)(; [-\d.<=x>]+)?\]", text)
    return found[1] if found else ""


OPTIONS = [
    pytest.param(name, option, id=f"{name} {option.opts[0]}")
    for name in COMMANDS
    for option in options_of(name)
]


def test_the_list_of_commands_has_a_whole_line_for_each_within_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    for line in lines:
        assert line.endswith(".")
        assert not line.endswith("...")
        assert len(line) <= 80


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_states_its_default(name: str, option: click.Option) -> None:
    text = record_of(name, option)
    if isinstance(option.default, int | float | str):
        assert stated_default(text) == str(option.default)
    elif not (option.is_flag or option.multiple or (name, option.name) in WITHOUT):
        assert stated_default(text)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_names_its_choices(name: str, option: click.Option) -> None:
    text = record_of(name, option)
    if isinstance(option.type, click.Choice):
        assert f"[{'|'.join(option.type.choices)}]" in text
    if option.name == "device":
        assert f"--device {'|'.join(get_args(Harness.model_fields['device'].annotation))} " in text


@pytest.mark.parametrize("name", ["run", "study"])
def test_the_default_of_a_knob_is_that_of_the_configuration(name: str) -> None:
    stated = {option.name: stated_default(record_of(name, option)) for option in options_of(name)}
    for knob in {"seed", "device", "experiment"} & set(stated):
        expected = str(Harness.model_fields[knob].default)
        assert stated[knob] == ("the study's name" if (name, knob) == ("study", "experiment") else expected)
    for knob in {"steps", "dataset"} & set(stated):
        # every preset decides them, or the variant does in it
        assert stated[knob] == "the preset's"
        for budget in PRESETS.values():
            below = PRESETS[budget.extends].values() if budget.extends else {}
            assert knob in budget.values() | below or budget.stated_by_variant


def test_presets_of_the_help_are_all_presets_with_what_they_are_meant_for() -> None:
    (option,) = [option for option in options_of("run") if option.name == "preset"]
    text = record_of("run", option)
    assert tuple(PRESETS) == tuple(MEANT_FOR) == get_args(PresetName)
    for name, preset in PRESETS.items():
        assert f"{name} ({preset.description})" in text


def test_studies_of_the_help_are_all_studies_of_the_project() -> None:
    epilog = command_of("study").epilog
    assert epilog == f"Studies of the project: {', '.join(shipped())}."


@pytest.mark.parametrize("name", ["table", "report"])
def test_default_metrics_of_the_help_are_those_of_tables(name: str) -> None:
    (option,) = [option for option in options_of(name) if option.name == "metrics"]
    stated = stated_default(record_of(name, option))
    named = {metric for metric in METRICS.entries() if re.search(rf"\b{metric}\b", stated)}
    assert named == {*OF_KNOWN_MODES, *OF_CLASSES, *OF_ALL}


def test_formats_of_the_help_are_those_that_tables_have() -> None:
    (option,) = [option for option in options_of("table") if option.name == "form"]
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == FORMATS
