"""The commands that made runs, and those that check them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.configuration import CIRCUMSTANCES, resolve
from bench.configuration.resolution import NAMES
from bench.reporting.privacy import command_line
from bench.runs.description import RunDescription
from bench.system import paths
from bench.system.errors import RequestError

# options of a run's own process that say nothing about what it computes; with how many words follow
_INCIDENTAL = {"--json": 0, "--parent": 1}


@dataclass(frozen=True)
class Command:
    """A line to type.

    Attributes
    ----------
    line : str
        The command.
    makes : str
        What it makes, in a few words.
    """

    line: str
    makes: str


def commands(descriptions: Sequence[RunDescription]) -> list[Command]:
    """The commands as they were given: one for the runs of a multirun, else one a run.

    Parameters
    ----------
    descriptions : sequence of RunDescription
        What each run's run.json says.
    """
    left = list(descriptions)
    found = []
    for multirun in _multiruns():
        members = [description for description in left if _belongs(description, multirun)]
        words = {tuple(_without(_words(m), "--variant", "--seed")) for m in members if _was_typed(m)}
        if len(words) != 1 or not all(map(_was_typed, members)):
            continue
        left = [description for description in left if description not in members]
        variants = ",".join(dict.fromkeys(member["variant"] for member in multirun["members"]))
        seeds = _ranges(sorted({int(member["seed"]) for member in multirun["members"]}))
        line = command_line(["run", "--variant", variants, "--seeds", seeds, *words.pop()])
        found.append(Command(line, f"{len(members)} of the runs"))
    return found + [_command(description) for description in left]


def verifications(descriptions: Sequence[RunDescription]) -> list[Command]:
    """The commands that train runs again and compare every recorded number."""
    return [Command(command_line(["verify", d.id]), d.name) for d in descriptions]


def _command(description: RunDescription) -> Command:
    if _was_typed(description):
        return Command(command_line(_words(description)), description.name)
    return Command(
        command_line(_equivalent(description.config.flat())), f"{description.name}, made from Python"
    )


def _was_typed(description: RunDescription) -> bool:
    """Whether the words of the process that made a run are a command of ours: in Python they are not."""
    return description.command[:1] == ["run"]


def _words(description: RunDescription) -> list[str]:
    words = list(description.command)
    kept = []
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name not in _INCIDENTAL:
            kept.append(word)
        elif not equals:
            del words[: _INCIDENTAL[name]]
    return kept


def _without(words: Sequence[str], *options: str) -> list[str]:
    """The words after ``run`` without some options and their values."""
    rest, kept = list(words[1:]), []
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if name not in options:
            kept.append(word)
        elif not equals:
            del rest[:1]
    return kept


def _equivalent(config: Mapping[str, Any]) -> list[str]:
    """A command that resolves to a run's configuration."""
    named = {name: config[name] for name in NAMES}
    try:
        default = resolve(named).flat()
    except RequestError:  # a variant or preset that is not installed
        default = {}
    words = ["run", *(word for name, value in named.items() for word in (f"--{name}", str(value)))]
    for name, value in config.items():
        known = name in default and default[name] == value
        if not (name in NAMES or known or name in CIRCUMSTANCES or (name == "epochs" and value is None)):
            words += ["--set", f"{name}={'none' if value is None else value}"]
    return words


def _multiruns() -> list[dict[str, Any]]:
    """What each multirun.json says; one that cannot be read is passed over."""
    found = []
    for path in sorted((paths.results() / "multiruns").glob("*/multirun.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return found


def _belongs(description: RunDescription, multirun: Mapping[str, Any]) -> bool:
    same = (description.data.hash, description.config.experiment)
    hashes = {member["config_hash"] for member in multirun["members"]}
    return same == (multirun["data_hash"], multirun["experiment"]) and description.config_hash in hashes


def _ranges(numbers: Sequence[int]) -> str:
    """``0-4,7``, of rising numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
